"""Every metric of the system, declared here and nowhere else."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)

http_requests = Counter("tapeworks_http_requests", "HTTP answers.", ["method", "route", "status"])
http_seconds = Histogram(
    "tapeworks_http_seconds", "Time to answer, seconds.", ["method", "route"], buckets=_SECONDS
)
decision_seconds = Histogram(
    "tapeworks_decision_seconds", "POST until the ledger's decision, seconds.", buckets=_SECONDS
)
decisions_missed = Counter(
    "tapeworks_decisions_missed", "POSTs answered before the ledger had decided."
)
admission_refusals = Counter(
    "tapeworks_admission_refusals", "POSTs refused because the ledger is behind."
)
orders_paced = Counter(
    "tapeworks_orders_paced", "Orders refused because their account ordered too fast."
)
undecided_requests = Gauge(
    "tapeworks_undecided_requests", "Published requests that the ledger has not decided yet."
)

lane_transactions = Counter(
    "tapeworks_lane_transactions", "Committed transactions.", ["processor", "partition"]
)
lane_inputs = Counter("tapeworks_lane_inputs", "Inputs decided.", ["processor", "kind"])
lane_inputs_skipped = Counter(
    "tapeworks_lane_inputs_skipped",
    "Redelivered records that the state already held.",
    ["processor"],
)
lane_events = Counter("tapeworks_lane_events", "Events written.", ["processor", "type"])
lane_commit_seconds = Histogram(
    "tapeworks_lane_commit_seconds", "One transaction, seconds.", ["processor"], buckets=_SECONDS
)
lane_open_seconds = Histogram(
    "tapeworks_lane_open_seconds", "Opening a lane, seconds.", ["processor"], buckets=_SECONDS
)
clock_ahead_seconds = Gauge(
    "tapeworks_clock_ahead_seconds",
    "How far this machine's clock was ahead of the broker's when the process began; taken off.",
)
lanes_open = Gauge("tapeworks_lanes_open", "Lanes open in this worker.", ["processor"])
dead_letters = Counter("tapeworks_dead_letters", "Records set aside.", ["topic", "reason"])

provider_calls = Counter(
    "tapeworks_provider_calls", "Calls to providers.", ["provider", "call", "outcome"]
)
provider_seconds = Histogram(
    "tapeworks_provider_seconds",
    "One call to a provider, seconds.",
    ["provider", "call"],
    buckets=(*_SECONDS, 30, 60),
)
breaker_state = Gauge(
    "tapeworks_breaker_state",
    "Circuit breaker of a provider: 0 closed, 1 half open, 2 open.",
    ["provider"],
)
breaker_changes = Counter(
    "tapeworks_breaker_changes", "Changes of a provider's circuit breaker.", ["provider", "state"]
)
jobs_in_flight = Gauge("tapeworks_jobs_in_flight", "Jobs this worker carries.", ["status"])
alerts = Counter(
    "tapeworks_alerts",
    "Alerts written to the tape: only an operator can help.",
    ["category", "code", "phase", "provider"],
)
downloads = Counter("tapeworks_downloads", "Download attempts.", ["outcome"])

projection_events = Counter(
    "tapeworks_projection_events", "Events applied to read models.", ["topic"]
)
projection_records_skipped = Counter(
    "tapeworks_projection_records_skipped", "Unreadable records passed over.", ["topic", "reason"]
)
projection_lag_records = Gauge(
    "tapeworks_projection_lag_records", "Records not yet applied.", ["topic", "partition"]
)
