import { usePages } from "../lib/data";
import { href } from "../lib/router";
import { Empty, List, PageHead, Status } from "../ui";

export default function Endpoints() {
  const pages = usePages("GET /http-endpoints");
  return <>
    <PageHead title="HTTP endpoints" />
    <List pages={pages} label="HTTP endpoints" href={(e) => href(`/scripts/${e.script_id}`)} rowKey={(e) => `${e.script_id} ${e.http_path}`} empty={<Empty title="No endpoints.">A script of the type http has one.</Empty>} columns={[
      { title: "Path", cell: (e) => <code>{e.http_path}</code> },
      { title: "Methods", cell: (e) => <code>{e.http_methods.join(" ")}</code> },
      { title: "Script", cell: (e) => e.script_name || e.script_id },
      { title: "Address", cell: (e) => <code class="faint">{e.url}</code>, wide: true },
      { title: "State", cell: (e) => <Status value={e.is_active ? "active" : "paused"} /> },
    ]} />
  </>;
}
