import { parse, v1, v4, v5, v7, validate, version } from "uuid";
export default { run() { return [v5("name", v5.DNS), validate(v4()), version(v7()), version(v1()), parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")[0], v7() < v7({ msecs: Date.now() + 1000 })]; } };
