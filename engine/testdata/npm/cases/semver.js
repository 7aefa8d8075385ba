import semver from "semver";
export default { run() { return [semver.satisfies("1.2.3", "^1.2.0"), semver.inc("1.2.3-rc.1", "prerelease"), semver.sort(["1.10.0", "1.2.0", "1.2.0-a"]), semver.maxSatisfying(["1.0.0", "1.5.0", "2.0.0"], "1.x"), semver.valid("nope")]; } };
