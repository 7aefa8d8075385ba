import { customAlphabet, customRandom, nanoid, urlAlphabet } from "nanoid";
export default { run() { const fixed = customRandom(urlAlphabet, 5, (n) => new Uint8Array(n).map((_, i) => i)); return [nanoid().length, /^[ab]{6}$/.test(customAlphabet("ab", 6)()), fixed()]; } };
