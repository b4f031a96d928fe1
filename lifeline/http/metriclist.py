"""Every metric of `/metrics`: its name, kind, unit, sentence and labels. The page and the book read this table.

Names are those of OpenMetrics: base units (seconds, bytes), the unit at the end of the name, `_total` for what only
counts up. A label's values are bounded by what stands beside it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["gauge", "counter"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family; `labels` says of each label by what its values are bounded."""

    name: str
    kind: Kind
    unit: str
    sentence: str
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_STAGE = {"stage": "the stages of incidents"}
_LEVEL = {"level": "red, orange, yellow, blue, none"}
_DISTRICT = {"district": "the districts of the city folder"}
_ROLE = {"role": "the five roles"}
_FOLLOWER = {"follower": "the followers of the journal"}
_CHANNEL = {"channel": "the channels of escalation.yaml"}

METRICS: Final[tuple[Metric, ...]] = (
    Metric("lifeline_alarms_standing", "gauge", "", "Alarms that stand now.", _LEVEL),
    Metric("lifeline_alarms_raised_total", "counter", "", "Alarms ever raised."),
    Metric("lifeline_findings_total", "counter", "", "Verdicts that detectors ever recorded."),
    Metric("lifeline_incidents_open", "gauge", "", "Open incidents by their standing level.", _LEVEL),
    Metric("lifeline_incidents_unacknowledged", "gauge", "", "Open incidents nobody has acknowledged.", _LEVEL),
    Metric("lifeline_incidents_in_stage", "gauge", "", "Open incidents by stage.", _STAGE),
    Metric("lifeline_incidents_opened_total", "counter", "", "Incidents ever opened."),
    Metric(
        "lifeline_notices", "gauge", "", "Notices of the last day by channel and state.",
        {**_CHANNEL, "state": "queued, sending, sent, delivered, failed, superseded"},
    ),
    Metric("lifeline_notices_created_total", "counter", "", "Notices ever queued."),
    Metric("lifeline_notices_waiting", "gauge", "", "Notices queued or on their way.", _CHANNEL),
    Metric(
        "lifeline_outbox_age_seconds", "gauge", "seconds", "For how long the oldest notice that is due has waited.",
        _CHANNEL,
    ),
    Metric(
        "lifeline_readings_total", "counter", "", "Readings of gateways by what became of them.",
        {**_DISTRICT, "what": "published, received, stored, repeated, rejected, missing (messages)"},
    ),
    Metric("lifeline_messages_total", "counter", "", "Messages of gateways that arrived.", _DISTRICT),
    Metric("lifeline_rejections_total", "counter", "", "Rows ever written to city.rejections."),
    Metric(
        "lifeline_gateways", "gauge", "", "Gateways by whether they are heard.",
        {**_DISTRICT, "state": "heard, silent"},
    ),
    Metric("lifeline_gateways_skewed", "gauge", "", "Gateways whose clock is off by a minute or more.", _DISTRICT),
    Metric("lifeline_gateway_buffered_readings", "gauge", "", "Readings that wait in gateways' outboxes.", _DISTRICT),
    Metric("lifeline_sensors_stale", "gauge", "", "Sensors nothing fresh is known of."),
    Metric("lifeline_sensors_unlearned", "gauge", "", "Sensors whose early signs are not yet learned."),
    Metric(
        "lifeline_commit_lag_max_seconds", "gauge", "seconds",
        "The longest time from a message's arrival to the commit of its readings, in the last minute.",
    ),
    Metric(
        "lifeline_commit_lag_mean_seconds", "gauge", "seconds",
        "The mean time from the arrival of a batch's last message to its commit, in the last minute.",
    ),
    Metric("lifeline_commits_readings", "gauge", "", "Readings committed in the last minute."),
    Metric("lifeline_recorder_connected", "gauge", "", "1 while the recorder is subscribed at the broker."),
    Metric("lifeline_recorder_connects_total", "counter", "", "How often the recorder connected to the broker."),
    Metric("lifeline_recorder_messages_total", "counter", "", "Messages the recorder took since it started."),
    Metric("lifeline_recorder_commits_total", "counter", "", "Batches the recorder committed since it started."),
    Metric("lifeline_recorder_pending_readings", "gauge", "", "Readings in the recorder's queue."),
    Metric("lifeline_recorder_lag_seconds", "gauge", "seconds", "Age of the oldest message that is not committed."),
    Metric("lifeline_journal_rows", "gauge", "", "Rows kept in the journal."),
    Metric("lifeline_journal_newest", "gauge", "", "Number of the journal's newest row."),
    Metric("lifeline_follower_lag_rows", "gauge", "", "Journal rows a follower has not taken in.", _FOLLOWER),
    Metric(
        "lifeline_follower_lag_seconds", "gauge", "seconds", "Age of the oldest row a follower has not taken in.",
        _FOLLOWER,
    ),
    Metric(
        "lifeline_evaluation_lag_seconds", "gauge", "seconds",
        "From the commit of the last readings to the commit of what was decided on them.",
    ),
    Metric("lifeline_readings_evaluated_total", "counter", "", "Readings that rules and detectors were stepped with."),
    Metric("lifeline_snapshot_age_seconds", "gauge", "seconds", "Age of a follower's last snapshot.", _FOLLOWER),
    Metric("lifeline_snapshot_copy_seconds", "gauge", "seconds", "For how long the last snapshot held decisions back."),
    Metric("lifeline_snapshot_write_seconds", "gauge", "seconds", "For how long the last snapshot was written."),
    Metric(
        "lifeline_notifier_attempts_total", "counter", "", "Attempts of the notifier since it started, by outcome.",
        {"outcome": "sent, retried, failed"},
    ),
    Metric("lifeline_notifier_in_flight", "gauge", "", "Notices the notifier is delivering now."),
    Metric("lifeline_keeper_buckets_total", "counter", "", "Roll-up buckets the keeper computed since it started."),
    Metric("lifeline_rollup_buckets_waiting", "gauge", "", "Roll-up buckets that are to be computed."),
    Metric("lifeline_database_size_bytes", "gauge", "bytes", "Size of the database."),
    Metric(
        "lifeline_database_growth_bytes_per_second", "gauge", "bytes_per_second",
        "Growth of the database over the sizes that are known.",
    ),
    Metric(
        "lifeline_database_full_seconds", "gauge", "seconds", "Until the disk is full at this growth (absent: unknown)."
    ),
    Metric(
        "lifeline_certificate_left_seconds", "gauge", "seconds",
        "Until the first certificate of broker, database and recorder ends (absent: none in use).",
    ),
    Metric(
        "lifeline_database_sessions", "gauge", "", "Connections to the database.",
        {"application": "Lifeline's parts, and other"},
    ),
    Metric(
        "lifeline_api_pool_connections", "gauge", "", "Connections of the API's pool.", {"state": "used, idle"},
    ),
    Metric("lifeline_api_pool_waiting", "gauge", "", "Requests that wait for a connection of the API's pool."),
    Metric("lifeline_role_beat_age_seconds", "gauge", "seconds", "Real time since a role's last sign of life.", _ROLE),
    Metric("lifeline_role_start_time_seconds", "gauge", "seconds", "When a role's process began, since 1970.", _ROLE),
    Metric("lifeline_role_restarts_total", "counter", "", "Processes of a role that came after its first.", _ROLE),
    Metric("lifeline_role_resident_memory_bytes", "gauge", "bytes", "Resident memory of a role's process.", _ROLE),
    Metric("lifeline_role_cpu_seconds_total", "counter", "seconds", "Processor time of a role's process.", _ROLE),
    Metric("lifeline_role_open_fds", "gauge", "", "Open files and connections of a role's process.", _ROLE),
    Metric("lifeline_role_threads", "gauge", "", "Threads of a role's process.", _ROLE),
    Metric(
        "lifeline_health_state", "gauge", "", "A line of city.health: 0 ok, 1 warning, 2 fault.",
        {"name": "the lines of city.health: fixed names, roles, and the channels of escalation.yaml"},
    ),
)  # fmt: skip
