// Next.js puts the value in at build time; here the bundler does.
declare const process: { env: { NEXT_PUBLIC_API_URL?: string } };
