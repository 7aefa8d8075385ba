import * as cookie from "cookie";
export default { run() { return [cookie.parseCookie("a=1; b=x%20y; a=2"), cookie.stringifySetCookie({ name: "sid", value: "v w", httpOnly: true, maxAge: 60, sameSite: "lax", path: "/" })]; } };
