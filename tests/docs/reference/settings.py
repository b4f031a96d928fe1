"""The page of settings: flags, variables, `lifeline.toml`, and what a deployment's `.env` says."""

from __future__ import annotations

from lifeline.settings import KEYS, Settings
from lifeline.variablelist import DEPLOYMENT, VARIABLES
from tests.docs.reference.markdown import code, page, prose, table

INTRO = """\
Settings come from flags, then variables, then `lifeline.toml` in the working folder; what is not given is embedded or
has the default that its sentence tells. A variable with `_FILE` behind its name names a file whose content is the
value: the way of secrets that an environment must not show. What a city says about itself stands in
[files of its folder](files.md)."""
_PATHS = ("city", "data", "mqtt_ca", "mqtt_certificate", "mqtt_key")


def settings_page() -> str:
    """The page."""
    rows = (
        (
            code(key), code(f"LIFELINE_{key.upper()}"), "path" if key in _PATHS else "text",
            prose(Settings.model_fields[key].description or ""),
        )
        for key in KEYS
    )  # fmt: skip
    other = ((code(name), prose(says)) for name, says in VARIABLES.items())
    deployed = ((code(name), prose(says)) for name, says in DEPLOYMENT.items())
    return page(
        "Settings",
        INTRO,
        "## Settings of every command",
        table(("key in lifeline.toml", "variable", "value", "meaning"), rows),
        "## Other variables",
        "In brackets at the end of a sentence: what holds when the variable is not set.",
        table(("variable", "meaning"), other),
        "Variables with secrets of channels have names of your own: `escalation.yaml` says them in keys that end with "
        "`_env`.",
        "## A deployment's .env",
        "What `lifeline deploy init` writes beside `compose.yaml`, and what may be added there; see "
        "[deployment](../../deploy/README.md). Nothing in it is secret.",
        table(("variable", "meaning"), deployed),
    )
