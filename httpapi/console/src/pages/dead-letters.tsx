import { call, type DeadLetterItem, may } from "../lib/api";
import { usePages } from "../lib/data";
import { plural } from "../lib/format";
import { href, Link } from "../lib/router";
import { Button, confirm, Empty, List, PageHead, Time, toast } from "../ui";

export default function DeadLetters() {
  const pages = usePages("GET /dead-letters", {}, { every: 5000 });
  const retry = async (d: DeadLetterItem) => { await call("POST /dead-letters/{id}/retry", { path: { id: d.id ?? "" } }); toast("Under way again."); await pages.reload(); };
  const remove = async (d: DeadLetterItem) => {
    if (!await confirm("Delete this dead letter?", { text: "The event is not handled any more.", action: "Delete", danger: true })) return;
    await call("DELETE /dead-letters/{id}", { path: { id: d.id ?? "" } });
    await pages.reload();
  };
  const retryAll = async () => {
    if (!await confirm("Retry all dead letters?", { action: "Retry all of them" })) return;
    const r = await call("POST /dead-letters/retry", { body: {} });
    toast(`${plural(r.retried, "dead letter")} under way again.`);
    await pages.reload();
  };
  return <>
    <PageHead title="Dead letters" actions={may("POST /dead-letters/retry") ? <Button onClick={retryAll}>Retry all</Button> : null} />
    <List pages={pages} label="Dead letters" rowKey={(d) => d.id ?? ""} empty={<Empty title="No dead letters.">Events that no attempt could handle are kept here.</Empty>} columns={[
      { title: "Script", cell: (d) => <Link to={href(`/scripts/${d.script_id}`)}>{d.script_name || d.script_id}</Link> },
      { title: "Event", cell: (d) => <code>{d.event_type}</code> },
      { title: "Error", cell: (d) => <span style={{ overflowWrap: "anywhere" }}>{d.error}</span> },
      { title: "Retries", cell: (d) => d.retry_count, right: true, wide: true },
      { title: "Since", cell: (d) => <Time at={d.created_at} style="ago" />, wide: true },
      { title: "", right: true, cell: (d) => <span class="row" style={{ justifyContent: "flex-end" }}>
        {may("POST /dead-letters/{id}/retry") ? <Button small onClick={() => retry(d)}>Retry</Button> : null}
        {may("DELETE /dead-letters/{id}") ? <Button small kind="danger" onClick={() => remove(d)}>Delete</Button> : null}
      </span> },
    ]} />
  </>;
}
