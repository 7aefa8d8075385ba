// Characters that a reader would not see, shown: an order of writing that is turned round, or a name of two words, hides what code does.

import { highlightSpecialChars } from "@codemirror/view";

/** specials marks what the library marks (controls, U+200B, most of the marks of direction) and those that it leaves out. */
export const specials = () => highlightSpecialChars({ addSpecialChars: /[\u034f\u115f\u1160\u17b4\u17b5\u180e\u202a-\u202c\u2060-\u2064\u2068\u206a-\u206f\u3164\uffa0]/ });
