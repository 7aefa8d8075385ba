-- Tables that came after row-level security (00006) get their policy and rights.

-- +goose Up
SELECT jsruntime_protect_tenant_tables();

-- +goose Down
-- 00006's own way down takes all policies.
SELECT 1;
