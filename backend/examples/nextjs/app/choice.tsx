interface Props<T extends string> {
  label: string;
  value: T | undefined;
  among: Record<T, string>;
  choose: (value: T) => void;
}

export function Choice<T extends string>({ label, value, among, choose }: Props<T>) {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => choose(event.target.value as T)}>
        {Object.entries<string>(among).map(([key, words]) => (
          <option key={key} value={key}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
