import { createClient } from "@supabase/supabase-js";
export default { async run() {
  const asked = [], client = createClient("http://db.test", "anon", { auth: { persistSession: false, autoRefreshToken: false }, global: { fetch: async (url, init) => { asked.push([String(url), init.method, new Headers(init.headers).get("apikey")]); return Response.json([{ id: 1 }]); } } });
  const { data, error } = await client.from("users").select("id, name").eq("name", "A b").order("id").limit(3);
  return [data, error, asked, typeof client.channel, client.storage.from("b").getPublicUrl("x y.png").data.publicUrl];
} };
