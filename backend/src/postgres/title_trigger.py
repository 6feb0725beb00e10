"""What keeps the order by title right whoever writes: a trigger that sorts a row whose key is not of this order.

The release before this one writes keys of its own order, and may go on to beside this one or after a rollback; whoever
writes past the API may give none. The service's own keys are right and the trigger passes them, so it costs nothing.
"""

import json
from itertools import chain
from unicodedata import normalize

from sqlalchemy import Connection

from src.postgres.title_order import CATALAN_L, MARK, MAX_KEY, NOTHING, OTHER_SIGNS, SPACES, is_listed, key_of, unlisted

# What holds the letters and signs that are not what they seem: not the ideographs, syllables and private characters.
_BLOCKS = (range(0x20, 0x3400), range(0xA000, 0xAC00), range(0xFB00, 0x10000), range(0x10000, 0x20000))

_INSTALLED = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tasks'::regclass AND tgname = 'tasks_title_key'"
# Dollars around every constant: what a backslash means between apostrophes is a setting of the role.
_MARK = f"chr({ord(MARK[0])}) || $mark${MARK[1:]}$mark$"
_TRIGGER = f"""
CREATE TRIGGER tasks_title_key BEFORE INSERT OR UPDATE OF title, title_key ON tasks
FOR EACH ROW WHEN (NEW.title_key < {_MARK}) EXECUTE FUNCTION tasks_title_key()
"""
STALE = f"title_key < {_MARK}"


def install(connection: Connection) -> None:
    """Create the trigger where it is not there; waits two seconds at most for who writes, since others wait for it."""
    if not connection.exec_driver_sql(_INSTALLED).scalar():
        connection.exec_driver_sql("SET LOCAL lock_timeout = 2000")
        connection.exec_driver_sql(_function())
        connection.exec_driver_sql(_TRIGGER)


def uninstall(connection: Connection) -> None:
    """Drop it."""
    connection.exec_driver_sql("DROP TRIGGER tasks_title_key ON tasks")
    connection.exec_driver_sql("DROP FUNCTION tasks_title_key()")


def _function() -> str:
    """Return the SQL of what `title_key` does, with a table made by what `title_key` does."""
    return f"""
CREATE OR REPLACE FUNCTION tasks_title_key() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    letters CONSTANT jsonb := $json${json.dumps(_letters(), separators=(",", ":"))}$json$::jsonb;
    key text;
BEGIN
    SELECT string_agg(
        coalesce(letters ->> letter, CASE
            WHEN letter ~ $re$[{SPACES}]$re$ THEN ' '
            WHEN letter ~ $re$[{NOTHING}]$re$ THEN ''
            WHEN letter ~ $re$[{OTHER_SIGNS}]$re$ THEN '"' || letter
            ELSE letter
        END), '' ORDER BY place)
    INTO key
    FROM regexp_split_to_table(regexp_replace(normalize(NEW.title, NFKC), $re${CATALAN_L}$re$, $re$\\1$re$, 'g'), '')
        WITH ORDINALITY AS title(letter, place);
    NEW.title_key := left({_MARK} || coalesce(key, ''), {MAX_KEY});
    RETURN NEW;
END
$function$
""".replace("%", "%%")  # noqa: S608  # constants; the driver halves the signs


def _letters() -> dict[str, str]:
    characters = (chr(point) for point in chain(*_BLOCKS))
    # 80 000 of them, and who starts on an empty database waits for it.
    listed = (letter for letter in characters if is_listed(letter) and normalize("NFKC", letter) == letter)
    keys = {letter: key_of(letter) for letter in listed}
    return {letter: key for letter, key in keys.items() if key != unlisted(letter)}
