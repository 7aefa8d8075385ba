package worker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// kvRow is what the node of these tests keeps of a key.
type kvRow struct {
	Value         json.RawMessage `json:"value"`
	Metadata      json.RawMessage `json:"metadata"`
	ExpirationTTL float64         `json:"expirationTtl"`
}

// kvOf answers calls of kv from rows, as package host does.
func kvOf(t *testing.T, rows map[string]kvRow) func(wire.HostCall) []wire.Message {
	return func(c wire.HostCall) []wire.Message {
		var args struct {
			kvRow
			Key    string  `json:"key"`
			Prefix string  `json:"prefix"`
			Cursor string  `json:"cursor"`
			Limit  float64 `json:"limit"`
		}
		require.NoError(t, json.Unmarshal(c.Args, &args), string(c.Args))
		var reply any
		switch c.Method {
		case "kv.get":
			row, ok := rows[args.Key]
			reply = map[string]any{"present": ok, "value": row.Value, "expiration": nil, "metadata": row.Metadata}
		case "kv.put":
			rows[args.Key] = args.kvRow
			reply = struct{}{}
		case "kv.delete":
			delete(rows, args.Key)
			reply = map[string]any{"deleted": true}
		case "kv.list":
			var names []string
			for name := range rows {
				if strings.HasPrefix(name, args.Prefix) && name > args.Cursor {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			n := min(len(names), int(args.Limit))
			keys := []any{}
			for _, name := range names[:n] {
				key := map[string]any{"name": name, "expiration": nil}
				if rows[name].ExpirationTTL > 0 {
					key["expiration"] = 2e9
				}
				if rows[name].Metadata != nil && string(rows[name].Metadata) != "null" {
					key["metadata"] = rows[name].Metadata
				}
				keys = append(keys, key)
			}
			answer := map[string]any{"keys": keys, "complete": n == len(names), "cursor": ""}
			if n > 0 && n < len(names) {
				answer["cursor"] = names[n-1]
			}
			reply = answer
		default:
			require.Fail(t, c.Method)
		}
		payload, err := json.Marshal(reply)
		require.NoError(t, err)
		return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: payload}}
	}
}

// TestKVNamespace: env.NAME has Workers KV's methods, over keys that begin with the namespace's prefix.
func TestKVNamespace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, want string
		rows       map[string]string // afterwards
	}{
		"texts": {
			code: `await env.SHOP.put("a", "ü"); await env.SHOP.put("n", 7); await env.SHOP.put("e", ""); return [await env.SHOP.get("a"), await env.SHOP.get("n", "json"), await env.SHOP.get("e"), await env.SHOP.get("none")]`,
			want: `["ü",7,"",null]`, rows: map[string]string{"shop/a": `"ü"`, "shop/n": `"7"`, "shop/e": `""`},
		},
		"types": {
			code: `await env.SHOP.put("j", JSON.stringify({ a: [1] })); const bytes = (b) => [...new Uint8Array(b)];
				return [await env.SHOP.get("j", "json"), await env.SHOP.get("j", { type: "json", cacheTtl: 60 }), (await env.SHOP.get("j")).length, bytes(await env.SHOP.get("j", { type: "arrayBuffer" })).length,
					await new Response(await env.SHOP.get("j", "stream")).json(), await env.SHOP.get("none", "stream"), await env.SHOP.get("j", "blob").catch((e) => e.name)]`,
			want: `[{"a":[1]},{"a":[1]},9,9,{"a":[1]},null,"TypeError"]`,
		},
		"bytes": {
			code: `await env.SHOP.put("b", new Uint8Array([0, 255, 1])); await env.SHOP.put("t", new TextEncoder().encode("text").buffer); await env.SHOP.put("s", new Blob(["str", "eam"]).stream()); await env.SHOP.put("z", "a\0b\ud800");
				const bytes = (b) => [...new Uint8Array(b)];
				return [bytes(await env.SHOP.get("b", "arrayBuffer")), await new Response(await env.SHOP.get("b", "stream")).bytes().then(bytes), await env.SHOP.get("t"), await env.SHOP.get("s"), await env.SHOP.get("z") === "a\0b\ufffd"]`,
			want: `[[0,255,1],[0,255,1],"text","stream",true]`, rows: map[string]string{"shop/b": `{"base64":"AP8B"}`, "shop/t": `"text"`, "shop/s": `"stream"`},
		},
		"what kv has written": {
			code: `return [await env.ALL.get("native"), await env.ALL.get("native", "json"), (await env.ALL.get("native", "arrayBuffer")).byteLength, await env.SHOP.get("native")]`,
			want: `["{\"x\":[1,\"é\"]}",{"x":[1,"é"]},14,null]`,
		},
		"metadata and expiration": {
			code: `await env.SHOP.put("m", "v", { metadata: { by: "me" }, expirationTtl: 60 }); await env.SHOP.put("x", "v", { expiration: Date.now() / 1000 + 100 });
				const bad = []; for (const o of [{ expirationTtl: 0 }, { expirationTtl: -1 }, { expirationTtl: "soon" }, { expiration: 1 }]) bad.push(await env.SHOP.put("y", "v", o).then(() => "written", (e) => e.name));
				return [await env.SHOP.getWithMetadata("m"), await env.SHOP.getWithMetadata("none", "json"), bad]`,
			want: `[{"value":"v","metadata":{"by":"me"},"cacheStatus":null},{"value":null,"metadata":null,"cacheStatus":null},["TypeError","TypeError","TypeError","RangeError"]]`,
		},
		"list": {
			code: `for (const k of ["b1", "b2", "a", "c"]) await env.SHOP.put(k, k, k === "b1" ? { metadata: 1, expirationTtl: 60 } : undefined); await env.OTHER.put("b3", "x");
				const first = await env.SHOP.list({ prefix: "b", limit: 1 }); const rest = await env.SHOP.list({ prefix: "b", cursor: first.cursor }); const all = await env.SHOP.list();
				await env.SHOP.delete("a"); return [first.keys, first.list_complete, rest, all.keys.map((k) => k.name), all.list_complete, (await env.SHOP.list()).keys.length]`,
			want: `[[{"name":"b1","expiration":2000000000,"metadata":1}],false,{"keys":[{"name":"b2"}],"list_complete":true,"cacheStatus":null},["a","b1","b2","c"],true,3]`,
		},
		"several keys": {
			code: `await env.SHOP.put("a", "1"); const m = await env.SHOP.get(["a", "b"], "json"); const w = await env.SHOP.getWithMetadata(["a"]);
				return [m instanceof Map, [...m], [...w], await env.SHOP.get(Array(101).fill("a")).catch((e) => e.name), await env.SHOP.get(["a"], "stream").catch((e) => e.name)]`,
			want: `[true,[["a",1],["b",null]],[["a",{"value":"1","metadata":null}]],"RangeError","TypeError"]`,
		},
		"mistakes": {
			code: `const out = []; for (const f of [() => env.SHOP.get(), () => env.SHOP.get(""), () => env.SHOP.put("k", {}), () => env.SHOP.put("k"), () => env.SHOP.delete(1), () => env.SHOP.list({ prefix: 1 }), () => env.SHOP.get(".")]) out.push(await f().then(() => "ok", (e) => e.name));
				try { new env.SHOP.constructor("x"); out.push("made") } catch (e) { out.push(e.name) } try { env.SHOP = 1 } catch (e) { out.push(e.name) }
				return [out, Object.prototype.toString.call(env.SHOP), Object.keys(env), env.KEY]`,
			want: `[["TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","TypeError"],"[object KvNamespace]",["KEY","ALL","OTHER","SHOP"],"v"]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := spawn(t).lease()
			rows := map[string]kvRow{"native": {Value: json.RawMessage(`{"x":[1,"é"]}`)}}
			n.calls = kvOf(t, rows)
			n.send(&wire.Load{
				Slot: 1, MaxMemory: 64 << 20, Name: "demo", Static: []byte(`{"scriptType":"oneoff","limits":{},"kvNamespaces":{"ALL":"","OTHER":"other/","SHOP":"shop/"}}`),
				Source: []byte(wrapped(script(c.code))),
			})
			_, p, err := n.r.Next()
			require.NoError(t, err)
			loaded, err := wire.ParseLoaded(p)
			require.NoError(t, err)
			require.Empty(t, loaded.Code, loaded.Message)
			res := n.run(1, "null")
			require.Empty(t, res.Code, res.Message)
			require.JSONEq(t, c.want, string(res.Body))
			for key, want := range c.rows {
				require.JSONEq(t, want, string(rows[key].Value), key)
			}
		})
	}
}
