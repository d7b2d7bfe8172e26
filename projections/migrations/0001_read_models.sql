-- The read models: what the HTTP API shows, folded from the topics. All but `api_keys` can be
-- dropped and rebuilt from the log to the same content.

-- One row per generation job. Each column is owned by one kind of event, or merges by a rule that
-- does not depend on the order in which the topics arrive (projections/generations.py).
CREATE TABLE generations (
    job_id uuid PRIMARY KEY,
    account_id text NOT NULL,
    status text NOT NULL CHECK (
        status IN (
            'requested', 'rejected', 'pending', 'processing',
            'downloading', 'completed', 'failed', 'cancelled'
        )
    ),
    model text,
    duration_seconds int,
    resolution text,
    aspect_ratio text,
    prompt text,
    negative_prompt text,
    -- As private as the prompt: shown to the owner alone.
    image_url text,
    price_credits bigint CHECK (price_credits >= 0),
    operation_id text,
    provider text,
    provider_state text CHECK (provider_state IN ('queued', 'running', 'done')),
    progress_percent int CHECK (progress_percent BETWEEN 0 AND 100),
    queue_position int CHECK (queue_position >= 0),
    provider_video_id text,
    object_key text,
    content_type text,
    size_bytes bigint,
    sha256 text,
    duration_ms bigint,
    width_pixels int,
    height_pixels int,
    frames_per_second double precision,
    -- Micro-dollars; never added to credits (I37).
    cost_micro_dollars bigint CHECK (cost_micro_dollars >= 0),
    decline_code text,
    decline_details jsonb,
    failure jsonb,
    refunded_credits bigint CHECK (refunded_credits >= 0),
    replay_of uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    completed_at timestamptz,
    -- I09: no reader ever sees a failed job without its refund.
    CHECK (status <> 'failed' OR refunded_credits IS NOT NULL),
    CHECK (status <> 'completed' OR object_key IS NOT NULL)
);

-- S0-76, and S0-93's `created_at` descending: a page of one account's history, newest first. In the
-- order of the pages to the last column, so that nothing is sorted; repeats are in no page.
CREATE INDEX generations_history ON generations (account_id, created_at DESC, job_id DESC)
WHERE replay_of IS NULL;
-- S0-93: by account and status; by model as well. Their pages are merged of one run per status.
CREATE INDEX generations_account_status
ON generations (account_id, status, created_at DESC, job_id DESC) WHERE replay_of IS NULL;
CREATE INDEX generations_account_model
ON generations (account_id, model, status, created_at DESC, job_id DESC) WHERE replay_of IS NULL;
-- S0-93: the jobs that are under way; small however long the history grows.
CREATE INDEX generations_active ON generations (status, created_at)
WHERE status IN ('pending', 'processing', 'downloading');
-- S0-89 wants it unique. It is not: that two jobs name one operation would be a fact of the log,
-- which a read model shows and never refuses.
CREATE INDEX generations_operation ON generations (operation_id) WHERE operation_id IS NOT NULL;

-- One row per account: the fold of its ledger events up to `sequence`.
CREATE TABLE accounts (
    account_id text PRIMARY KEY,
    available_credits bigint NOT NULL CHECK (available_credits >= 0),
    reserved_credits bigint NOT NULL CHECK (reserved_credits >= 0),
    settled_credits bigint NOT NULL CHECK (settled_credits >= 0),
    granted_credits bigint NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    updated_at timestamptz NOT NULL
);

-- One row per movement of an account's balance; `balance_after` chains (I02).
CREATE TABLE credit_transactions (
    account_id text NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL UNIQUE,
    job_id uuid,
    transaction_type text NOT NULL,
    amount_credits bigint NOT NULL,
    balance_after bigint NOT NULL CHECK (balance_after >= 0),
    description text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, sequence)
);

-- S0-93.
CREATE INDEX credit_transactions_type ON credit_transactions (account_id, transaction_type);
CREATE INDEX credit_transactions_newest ON credit_transactions (created_at DESC);
CREATE INDEX credit_transactions_job ON credit_transactions (job_id) WHERE job_id IS NOT NULL;

-- How far each partition has been applied; moves in the transaction that writes the rows.
CREATE TABLE projection_offsets (
    -- Without the namespace, so that a dump does not depend on it.
    topic text,
    partition int,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (topic, partition)
);

-- Records that break the contract and were passed over, each with its reason.
CREATE TABLE projection_skips (
    topic text,
    partition int,
    record_offset bigint,
    reason text NOT NULL,
    detail text NOT NULL,
    skipped_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, record_offset)
);

-- Who may call the API; not folded from the log.
CREATE TABLE api_keys (
    key_id uuid PRIMARY KEY,
    key_sha256 bytea UNIQUE NOT NULL,
    account_id text NOT NULL,
    role text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE INDEX api_keys_account ON api_keys (account_id);
CREATE INDEX api_keys_newest ON api_keys (created_at DESC, key_id DESC);
