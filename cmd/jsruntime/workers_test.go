//go:build linux

package main

import (
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// workersProject has the shape of what create-cloudflare makes: files by name. Nothing in it is for us.
type workersProject map[string]string

// common are files of every such project.
func (w workersProject) common(name string) workersProject {
	for file, text := range map[string]string{
		"package.json": `{
	"name": "` + name + `",
	"version": "0.0.0",
	"private": true,
	"scripts": {
		"deploy": "wrangler deploy",
		"dev": "wrangler dev",
		"start": "wrangler dev",
		"test": "vitest",
		"cf-typegen": "wrangler types"
	},
	"dependencies": {
		"hono": "^4.0.0"
	},
	"devDependencies": {
		"typescript": "^5.5.2",
		"wrangler": "^4.0.0"
	}
}
`,
		"tsconfig.json": `{
	"compilerOptions": {
		/* Visit https://aka.ms/tsconfig.json to read more about this file */
		"target": "es2021",
		"lib": ["es2021"],
		"jsx": "react-jsx",
		"module": "es2022",
		"moduleResolution": "Bundler",
		"types": ["./worker-configuration.d.ts"],
		"resolveJsonModule": true,
		"allowJs": true,
		"noEmit": true,
		"isolatedModules": true,
		"strict": true,
		"skipLibCheck": true,
	},
	"exclude": ["test"],
	"include": ["worker-configuration.d.ts", "src/**/*.ts"],
}
`,
		".gitignore":                "node_modules/\n.wrangler\n.dev.vars*\n",
		"worker-configuration.d.ts": "interface Env {\n\tLINKS: KVNamespace;\n\tGREETING: string;\n\tLIMITS: { \"max\": 3 };\n}\n",
		"test/index.spec.ts":        "import { env, SELF } from \"cloudflare:test\";\n",
	} {
		w[file] = text
	}
	return w
}

// shortener answers requests, keeps links in a namespace, and cleans up on a schedule.
func shortener() workersProject {
	return workersProject{
		"wrangler.jsonc": `/**
 * For more details on how to configure Wrangler, refer to its documentation.
 */
{
	"$schema": "node_modules/wrangler/config-schema.json",
	"name": "shortener",
	"main": "src/index.ts",
	"compatibility_date": "2026-11-01",
	"compatibility_flags": [
		"nodejs_compat"
	],
	"observability": {
		"enabled": true
	},
	"kv_namespaces": [
		{ "binding": "LINKS", "id": "06779da6940b431db6e566b4846d64db", "preview_id": "1" }
	],
	"vars": { "GREETING": "hello", "LIMITS": { "max": 3 } },
	"triggers": {
		"crons": [
			"0 3 * * *", // every night
			"*/15 * * * *"
		]
	},
	/**
	 * Static Assets
	 */
	// "assets": { "directory": "./public/", "binding": "ASSETS" },
}
`,
		"src/index.ts": `/**
 * - Run ` + "`npm run dev`" + ` in your terminal to start a development server
 */
import { Buffer } from "node:buffer";
import words from "./words.json";
import { short } from "./short";

export default {
	async fetch(request, env, ctx): Promise<Response> {
		const url = new URL(request.url);
		if (request.method === "POST") {
			const { to } = await request.json<{ to: string }>();
			const key = short(to);
			ctx.waitUntil(env.LINKS.put(key, to, { metadata: { hits: 0 } }));
			return Response.json({ key, limit: env.LIMITS.max, word: words.word, base64: Buffer.from(to).toString("base64") }, { status: 201 });
		}
		const to = await env.LINKS.get(url.pathname.slice(1));
		return to === null ? new Response(env.GREETING, { status: 404 }) : Response.redirect(to, 302);
	},

	async scheduled(controller, env, ctx): Promise<void> {
		const { keys } = await env.LINKS.list();
		ctx.waitUntil(Promise.all(keys.map((key) => env.LINKS.delete(key.name))));
		console.log(` + "`trigger fired at ${controller.cron}: ${keys.length} links`" + `);
	},
} satisfies ExportedHandler<Env>;
`,
		"src/short.ts":   "export const short = (text: string): string => [...text].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) >>> 0, 7).toString(36);\n",
		"src/words.json": `{ "word": "short" }`,
	}.common("shortener")
}

// withHono is an app of the kind that create-cloudflare makes with its framework, with a wrangler.toml.
func withHono() workersProject {
	return workersProject{
		"wrangler.toml": `#:schema node_modules/wrangler/config-schema.json
name = "my-hono-app"
main = "src/index.tsx"
compatibility_date = "2026-11-01"
compatibility_flags = [ "nodejs_compat" ]

[observability]
enabled = true

# Cron Triggers
[triggers]
crons = ["0 3 * * *"] # every night

[vars]
GREETING = "hello"

[[kv_namespaces]]
binding = "LINKS"
id = "06779da6940b431db6e566b4846d64db"

[env.staging.vars]
GREETING = "hello from staging"
`,
		"src/index.tsx": `/** @jsxImportSource hono/jsx */
import { Hono } from "hono";
import { cors } from "hono/cors";

const app = new Hono<{ Bindings: Env }>();
app.use("/api/*", cors());
app.get("/", (c) => c.html(<h1 class="greeting">{c.env.GREETING}</h1>));
app.get("/api/links/:key", async (c) => c.json({ key: c.req.param("key"), to: await c.env.LINKS.get(c.req.param("key")) }));
app.put("/api/links/:key", async (c) => {
	await c.env.LINKS.put(c.req.param("key"), await c.req.text());
	return c.body(null, 204);
});

export default {
	fetch: app.fetch,
	scheduled: async (controller: ScheduledController, env: Env) => console.log(controller.cron, env.GREETING),
};
`,
	}.common("my-hono-app")
}

// textsIn are the files of a folder but for node_modules.
func textsIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if !entry.IsDir() {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			name, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			texts[name] = string(text)
		}
		return nil
	}))
	return texts
}

// authorWorkers deploys projects as create-cloudflare makes them. No file of theirs is changed.
func authorWorkers(t *testing.T, n *process, s *someone) {
	t.Run("jsonc", func(t *testing.T) {
		s := &someone{t: t, dir: t.TempDir(), config: s.config, env: s.env}
		project := shortener()
		for name, text := range project {
			s.write(name, text)
		}
		code, out, errs := s.try("deploy")
		require.Zero(t, code, errs)
		require.Regexp(t, `created +shortener +http .* /\*rest`, out)
		require.Regexp(t, `created +shortener-cron +scheduled 0 3 \* \* \*`, out)
		require.Regexp(t, `created +shortener-cron-2 +scheduled \*/15 \* \* \* \*`, out)
		require.Equal(t, map[string]string(project), textsIn(t, s.dir))

		n.live("/t/author-workers/")
		status, text := n.try("POST", "/t/author-workers/", "", map[string]any{"to": "https://example.com/a"})
		require.Equal(t, 201, status, text)
		require.JSONEq(t, `{"key": "jsfa9l", "limit": 3, "word": "short", "base64": "aHR0cHM6Ly9leGFtcGxlLmNvbS9h"}`, text)
		require.Eventually(t, func() bool { // waitUntil's put follows the answer
			req, err := http.NewRequestWithContext(t.Context(), "GET", n.base+"/t/author-workers/jsfa9l", nil)
			require.NoError(t, err)
			resp, err := http.DefaultTransport.RoundTrip(req) // it follows no redirect
			require.NoError(t, err)
			resp.Body.Close()
			return resp.StatusCode == 302 && resp.Header.Get("Location") == "https://example.com/a"
		}, time.Minute, 20*time.Millisecond)
		status, text = n.try("GET", "/t/author-workers/nothing", "", nil)
		require.Equal(t, 404, status)
		require.Equal(t, "hello", text)
		_, _, errs = s.try("trigger", "shortener-cron", "--cron")
		require.Contains(t, errs, "trigger fired at 0 3 * * *: 1 links")
		_, _, errs = s.try("trigger", "shortener-cron-2", "--cron")
		require.Contains(t, errs, "trigger fired at */15 * * * *: 0 links", "the namespace is one for all of them")
		require.Contains(t, s.must("deploy"), "3 unchanged")
	})
	t.Run("toml with a dependency", func(t *testing.T) {
		installed := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "npm", "install", "--prefix", installed, "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", "hono@4")
		if out, err := cmd.CombinedOutput(); err != nil {
			require.NotEqual(t, "required", os.Getenv("JSRUNTIME_TEST_NPM"), "%s", out)
			t.Skipf("npm has no registry in reach: the project with a dependency is not deployed (%v: %s)", err, out)
		}
		s := newSomeone(t, n, n.tenant("author-workers-toml"))
		project := withHono()
		for name, text := range project {
			s.write(name, text)
		}
		require.NoError(t, os.Rename(filepath.Join(installed, "node_modules"), filepath.Join(s.dir, "node_modules")))
		code, out, errs := s.try("deploy")
		require.Zero(t, code, errs)
		require.Regexp(t, `created +my-hono-app +http .* /\*rest`, out)
		require.Regexp(t, `created +my-hono-app-cron +scheduled 0 3 \* \* \*`, out)
		require.Equal(t, map[string]string(project), textsIn(t, s.dir))
		n.live("/t/author-workers-toml/")
		_, text := n.try("GET", "/t/author-workers-toml/", "", nil)
		require.Equal(t, `<h1 class="greeting">hello</h1>`, text)
		status, text := n.try("PUT", "/t/author-workers-toml/api/links/a", "", "x")
		require.Equal(t, 204, status, text)
		resp, body, err := n.request("GET", "/t/author-workers-toml/api/links/a", "", nil)
		require.NoError(t, err)
		require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"), "the framework answers for CORS")
		require.JSONEq(t, `{"key": "a", "to": "\"x\""}`, string(body))
		_, _, errs = s.try("trigger", "my-hono-app-cron", "--cron")
		require.Contains(t, errs, "0 3 * * * hello")
		code, _, errs = s.try("deploy", "--env", "staging")
		require.Equal(t, 1, code, "an environment has an address of its own at a Worker's host; here it is another tenant, or another path")
		require.Contains(t, errs, "error: my-hono-app-staging is refused: another script has this path. (http_path_taken)")
	})
}
