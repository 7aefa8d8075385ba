-- A node that can start no worker claims nothing: its share of limits is the others'. A node of the version before says nothing
-- about it and counts as one that can; for its eyes such a node is draining.

-- +goose Up
ALTER TABLE nodes ADD COLUMN can_run BOOLEAN NOT NULL DEFAULT true;

-- +goose Down
ALTER TABLE nodes DROP COLUMN can_run;
