import toml from "toml";
export default { run() { return toml.parse('title = "T"\n[a.b]\nn = [1, 2]\nwhen = 1979-05-27T07:32:00Z\n[[list]]\nx = 1.5\n[[list]]\nx = true\n'); } };
