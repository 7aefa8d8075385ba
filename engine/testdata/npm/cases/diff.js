import { createPatch, diffWords } from "diff";
export default { run() { return [createPatch("f.txt", "a\nb\nc\n", "a\nB\nc\nd\n"), diffWords("the old text", "the new text").map((p) => [p.added, p.removed, p.value])]; } };
