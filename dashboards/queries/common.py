"""What many queries say: the chosen districts, levels as numbers, names in the reader's language."""

from __future__ import annotations

from city.words import catalogue, say

HERE = "ANY(ARRAY[${district:sqlstring}]::text[])"
REAL = "cleared_at IS NULL AND drill = ''"  # alarms that stand and are no exercise
HELD = 0.5  # on maps and tiles: alarms stand, and all of them are held back
EXERCISE = 10  # added to the level of what an exercise made

# Alarms may stand in a district that has left the register: it stays selectable until they are gone.
DISTRICTS = """\
SELECT district AS __text, district AS __value FROM city.sites
UNION SELECT district, district FROM city.gateways
UNION SELECT district, district FROM city.alarms WHERE cleared_at IS NULL
UNION SELECT district, district FROM city.incidents WHERE closed_at IS NULL
ORDER BY 1"""


def number(level: str) -> str:
    """A level's word as the number 0 to 4."""
    return f"array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], {level}) - 1"


def name(table: str, language: str, column: str = "name") -> str:
    """A name or title in the reader's language; English when it has none."""
    return f"coalesce({table}.{column}_zh, {table}.{column})" if language == "zh" else f"{table}.{column}"


def district(table: str, language: str) -> str:
    """The name of a row's district in the reader's language; its id when it has left the register."""
    own = name("named", language)
    return (
        f"coalesce((SELECT {own} FROM city.districts named WHERE named.district = {table}.district), {table}.district)"  # noqa: S608 - built from constants of this room
    )


def unit(table: str, language: str) -> str:
    """A row's unit as people write it."""
    return in_words(f"{table}.unit", "symbols", language)


def suffix(where: str, language: str) -> str:
    """The unit of sensors that have the same one, as Grafana takes it: a suffix, since `m` alone would be minutes."""
    return f"""\
SELECT 'suffix: ' || {unit("s", language)} AS unit
FROM city.sensors s WHERE {where}
LIMIT 1"""  # noqa: S608 - built from constants of this room


def in_words(column: str, topic: str, language: str) -> str:
    """What a column holds, by its words in the catalogue; as it stands where it has none."""
    known = [key.removeprefix(f"{topic}.") for key in catalogue() if key.startswith(f"{topic}.")]
    cases = " ".join(f"WHEN '{one}' THEN '{say(f'{topic}.{one}', language)}'" for one in known)
    return f"CASE {column} {cases} ELSE {column} END"


def standing(table: str) -> str:
    """The level of a standing alarm as a number; one that is held back counts as that, whatever its level."""
    return f"CASE WHEN {table}.hold <> '' THEN {HELD} ELSE {number(f'{table}.level')} END"


# How long something has been so, in seconds, by the city's clock.
def age(column: str) -> str:
    """Seconds since `column`, never below 0, as a number."""
    return f"greatest(0, extract(epoch FROM city.now() - {column}))::float8"
