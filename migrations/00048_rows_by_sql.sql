-- Rows that the data model allows are accepted as they are: what the runtime needs beside is filled in, or found later.

-- +goose Up

-- An execution that has ended has an end. The condition keeps the function out of the way of rows that name it.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_execution_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.completed_at := GREATEST(now(), NEW.started_at);
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_executions_ended BEFORE INSERT OR UPDATE OF status ON script_executions
    FOR EACH ROW WHEN (NEW.status IN ('completed', 'failed', 'timeout', 'cancelled') AND NEW.completed_at IS NULL)
    EXECUTE FUNCTION jsruntime_execution_ended();
ALTER TABLE script_executions
    DROP CONSTRAINT ck_executions_pending,
    ADD CONSTRAINT ck_executions_pending CHECK (status <> 'pending' OR lease_token IS NULL);

-- A schedule whose is_active is not named follows its script, and keeps its next_run_at where that is active.
ALTER TABLE script_scheduled_jobs ALTER COLUMN is_active SET DEFAULT true;
-- +goose StatementBegin
CREATE FUNCTION jsruntime_schedule_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.is_active := NEW.is_active AND COALESCE((SELECT s.status = 'active' FROM scripts s WHERE s.id = NEW.script_id), false);
    IF NOT NEW.is_active THEN
        NEW.next_run_at := NULL;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_jobs_inserted BEFORE INSERT ON script_scheduled_jobs
    FOR EACH ROW EXECUTE FUNCTION jsruntime_schedule_inserted();

-- A script's schedule is active exactly while the script is, also where its status is changed by SQL.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_script_status_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE script_scheduled_jobs SET is_active = (NEW.status = 'active')
    WHERE script_id = NEW.id AND is_active <> (NEW.status = 'active');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_status AFTER UPDATE OF status ON scripts
    FOR EACH ROW WHEN ((NEW.status = 'active') <> (OLD.status = 'active')) EXECUTE FUNCTION jsruntime_script_status_changed();

-- A source that is changed by SQL is a new version, as it is through the API, which numbers it itself.
-- +goose StatementBegin
CREATE FUNCTION jsruntime_source_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.revision := GREATEST(NEW.revision, OLD.revision + 1);
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tr_scripts_source BEFORE UPDATE OF source ON scripts
    FOR EACH ROW WHEN (NEW.source IS DISTINCT FROM OLD.source AND NEW.version = OLD.version) EXECUTE FUNCTION jsruntime_source_changed();

-- +goose Down
DROP TRIGGER tr_scripts_status ON scripts;
DROP FUNCTION jsruntime_script_status_changed();
DROP TRIGGER tr_scripts_source ON scripts;
DROP FUNCTION jsruntime_source_changed();
DROP TRIGGER tr_jobs_inserted ON script_scheduled_jobs;
DROP FUNCTION jsruntime_schedule_inserted();
ALTER TABLE script_scheduled_jobs ALTER COLUMN is_active SET DEFAULT false;
ALTER TABLE script_executions
    DROP CONSTRAINT ck_executions_pending,
    ADD CONSTRAINT ck_executions_pending CHECK (status <> 'pending' OR (completed_at IS NULL AND lease_token IS NULL));
DROP TRIGGER tr_executions_ended ON script_executions;
DROP FUNCTION jsruntime_execution_ended();
