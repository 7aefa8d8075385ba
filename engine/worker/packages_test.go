package worker

import (
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/internal/npmtest"
	"example.com/jsruntime/engine/internal/wire"
)

// bundle makes one module of an author's source and the npm packages that it imports, as authors do before an upload, and
// compiles it as the node does.
func bundle(t testing.TB, handler, source string) string {
	t.Helper()
	dir := npmtest.Modules(t)
	built := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: source, ResolveDir: dir, Sourcefile: "app.ts", Loader: api.LoaderTS},
		Bundle: true, Format: api.FormatESModule, Platform: api.PlatformBrowser, Target: api.ES2022, Conditions: []string{"workerd", "worker", "browser"},
		External: nodeExternals, LogLevel: api.LogLevelSilent, MinifyWhitespace: true,
	})
	require.Empty(t, built.Errors)
	out, err := compile.Compile(t.Context(), compile.Input{Source: string(built.OutputFiles[0].Contents), Handler: handler})
	require.NoError(t, err)
	return out.Compiled
}

// nodeExternals are what bundlers leave to the runtime.
var nodeExternals = []string{
	"jsruntime", "node:*", "assert", "async_hooks", "buffer", "crypto", "events", "path", "querystring", "stream", "string_decoder", "url", "util",
}

// Real packages, unchanged, each doing what people use it for.
func TestPackages(t *testing.T) {
	t.Parallel()
	type request struct {
		method, url, body string
		headers           []string
		status            uint32
		want              string
		header            string // a part of the response's header lines
	}
	for _, c := range []struct {
		name, source string
		requests     []request
	}{
		{"hono", `
			import { Hono } from "hono";
			import { getCookie, setCookie } from "hono/cookie";
			import { cors } from "hono/cors";
			const app = new Hono();
			app.use("*", async (c, next) => { await next(); c.res.headers.set("x-middleware", "ran"); });
			app.use("/api/*", cors());
			app.get("/", (c) => c.text("hello"));
			app.get("/api/users/:id", (c) => c.json({ id: c.req.param("id"), q: c.req.query("q") ?? null }));
			app.post("/api/users", async (c) => { const u = await c.req.json(); return c.json({ created: u.name }, 201); });
			app.get("/cookie", (c) => { setCookie(c, "seen", "yes", { httpOnly: true, path: "/" }); return c.text(getCookie(c, "who") ?? "nobody"); });
			app.post("/form", async (c) => { const b = await c.req.parseBody(); return c.text(b.a + "/" + b.b); });
			app.get("/fail", () => { throw new Error("boom"); });
			app.onError((e, c) => c.text("caught " + e.message, 500));
			export default app;`, []request{
			{"GET", "http://acme.test/", "", nil, 200, "hello", "x-middleware\nran"},
			{"GET", "http://acme.test/api/users/42?q=a%20b", "", []string{"origin", "http://x.test"}, 200, `{"id":"42","q":"a b"}`, "access-control-allow-origin\n*"},
			{"POST", "http://acme.test/api/users", `{"name":"Ada"}`, []string{"content-type", "application/json"}, 201, `{"created":"Ada"}`, "content-type\napplication/json"},
			{"GET", "http://acme.test/cookie", "", []string{"cookie", "who=me; other=1"}, 200, "me", "set-cookie\nseen=yes; Path=/; HttpOnly"},
			{"POST", "http://acme.test/form", "a=1&b=x%26y", []string{"content-type", "application/x-www-form-urlencoded"}, 200, "1/x&y", ""},
			{"GET", "http://acme.test/nothing", "", nil, 404, "404 Not Found", ""},
			{"GET", "http://acme.test/fail", "", nil, 500, "caught boom", ""},
		}},
		{"itty-router", `
			import { AutoRouter, error } from "itty-router";
			const router = AutoRouter();
			router.get("/hello/:name", ({ name }) => "Hello, " + name + "!").get("/json", () => ({ a: [1, 2] })).get("/no", () => error(403, "no"));
			export default router;`, []request{
			{"GET", "http://acme.test/hello/you", "", nil, 200, `"Hello, you!"`, ""},
			{"GET", "http://acme.test/json", "", nil, 200, `{"a":[1,2]}`, "application/json"},
			{"GET", "http://acme.test/no", "", nil, 403, `{"status":403,"error":"no"}`, ""},
			{"GET", "http://acme.test/other", "", nil, 404, `{"status":404,"error":"Not Found"}`, ""},
		}},
		{"zod", `
			import { z } from "zod";
			const User = z.object({ name: z.string().min(2), email: z.email(), age: z.number().int().positive().optional() });
			export default { async fetch(request) {
				const r = User.safeParse(await request.json());
				return r.success ? Response.json(r.data) : Response.json(r.error.issues.map((i) => i.path.join(".")), { status: 422 });
			} };`, []request{
			{"POST", "http://acme.test/", `{"name":"Ada","email":"ada@example.com","age":36,"more":1}`, nil, 200, `{"name":"Ada","email":"ada@example.com","age":36}`, ""},
			{"POST", "http://acme.test/", `{"name":"A","email":"no","age":1.5}`, nil, 422, `["name","email","age"]`, ""},
		}},
		{"jose", `
			import * as jose from "jose";
			export default { async fetch(request) {
				const out = [];
				const secret = new TextEncoder().encode("a secret of at least 32 bytes, really");
				const hs = await new jose.SignJWT({ role: "admin" }).setProtectedHeader({ alg: "HS256" }).setSubject("ada").setIssuedAt().setExpirationTime("1h").sign(secret);
				out.push((await jose.jwtVerify(hs, secret)).payload.sub);
				for (const alg of ["ES256", "RS256", "PS256", "EdDSA"]) {
					const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
					const jwk = await jose.exportJWK(publicKey);
					const token = await new jose.SignJWT({ alg }).setProtectedHeader({ alg }).sign(privateKey);
					const { payload } = await jose.jwtVerify(token, await jose.importJWK(jwk, alg));
					const [h, p, s] = token.split(".");
					const forged = await jose.jwtVerify(h + "." + p.slice(0, -2) + "AA." + s, publicKey).then(() => "accepted", (e) => e.code);
					out.push(payload.alg + ":" + forged);
				}
				const pem = await jose.exportPKCS8((await jose.generateKeyPair("ES256", { extractable: true })).privateKey);
				out.push((await jose.importPKCS8(pem, "ES256")).type);
				const jwe = await new jose.CompactEncrypt(new TextEncoder().encode("hush")).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(secret.slice(0, 32));
				out.push(new TextDecoder().decode((await jose.compactDecrypt(jwe, secret.slice(0, 32))).plaintext));
				out.push(await jose.jwtVerify(await new jose.SignJWT({}).setProtectedHeader({ alg: "HS256" }).setExpirationTime(1).sign(secret), secret).catch((e) => e.code));
				return Response.json(out);
			} };`, []request{
			{"GET", "http://acme.test/", "", nil, 200, `["ada","ES256:ERR_JWS_SIGNATURE_VERIFICATION_FAILED","RS256:ERR_JWS_SIGNATURE_VERIFICATION_FAILED","PS256:ERR_JWS_SIGNATURE_VERIFICATION_FAILED","EdDSA:ERR_JWS_SIGNATURE_VERIFICATION_FAILED","private","hush","ERR_JWT_EXPIRED"]`, ""},
		}},
		{"nanoid", `
			import { nanoid, customAlphabet } from "nanoid";
			export default { fetch() {
				const ids = new Set(Array.from({ length: 1000 }, () => nanoid()));
				return Response.json([ids.size, [...ids].every((i) => /^[\w-]{21}$/.test(i)), /^[abc]{5}$/.test(customAlphabet("abc", 5)())]);
			} };`, []request{{"GET", "http://acme.test/", "", nil, 200, `[1000,true,true]`, ""}}},
		{"date-fns", `
			import { addMonths, differenceInCalendarDays, format, formatDistance, parseISO } from "date-fns";
			import { de } from "date-fns/locale";
			export default { fetch() {
				const d = parseISO("2024-01-31T10:00:00Z");
				return Response.json([format(addMonths(d, 1), "yyyy-MM-dd"), differenceInCalendarDays(parseISO("2024-03-01"), parseISO("2024-02-01")),
					format(d, "EEEE, d. MMMM", { locale: de }), formatDistance(d, addMonths(d, 2))]);
			} };`, []request{{"GET", "http://acme.test/", "", nil, 200, `["2024-02-29",29,"Mittwoch, 31. Januar","2 months"]`, ""}}},
		{"stripe", `
			import Stripe from "stripe";
			const stripe = new Stripe("sk_test_x", { httpClient: Stripe.createFetchHttpClient() });
			const secret = "whsec_test";
			export default { async fetch(request) {
				// What Stripe's servers do: HMAC of "time.body" over the raw bytes.
				const body = await request.text();
				const t = Math.floor(Date.now() / 1000);
				const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
				const mac = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(t + "." + body));
				const v1 = Array.from(new Uint8Array(mac), (b) => b.toString(16).padStart(2, "0")).join("");
				const event = await stripe.webhooks.constructEventAsync(body, "t=" + t + ",v1=" + v1, secret, undefined, Stripe.createSubtleCryptoProvider());
				const wrong = await stripe.webhooks.constructEventAsync(body + " ", "t=" + t + ",v1=" + v1, secret, undefined, Stripe.createSubtleCryptoProvider()).then(() => "accepted", (e) => e.type);
				return Response.json([event.type, wrong]);
			} };`, []request{{"POST", "http://acme.test/", "{\"type\":\"charge.succeeded\",\"object\":\"event\",\"n\":\"\u00fc\"}", nil, 200, `["charge.succeeded","StripeSignatureVerificationError"]`, ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := bundle(t, "fetch", c.source)
			n := spawn(t).lease()
			n.send(&wire.Load{Slot: 1, MaxMemory: 128 << 20, Name: "app", Static: []byte(`{"scriptType":"http","limits":{}}`), Source: []byte(source)})
			k, p, err := n.r.Next()
			require.NoError(t, err)
			require.Equal(t, wire.KindLoaded, k)
			loaded, err := wire.ParseLoaded(p)
			require.NoError(t, err)
			require.Empty(t, loaded.Code, "%s %s", loaded.Message, loaded.Stack)
			for _, r := range c.requests {
				m := n.fetchOf(1, r.method, r.url, r.headers, r.body)
				m.WallMillis = 20000
				n.send(m)
				got := n.result()
				require.Empty(t, got.Code, "%s %s: %s %s", r.method, r.url, got.Message, got.Stack)
				require.Equal(t, r.want, string(got.Body), "%s %s", r.method, r.url)
				require.Equal(t, r.status, got.Status, "%s %s", r.method, r.url)
				require.Contains(t, string(got.Headers), r.header)
				require.NotContains(t, string(got.Headers), "\n\n")
			}
		})
	}
}
