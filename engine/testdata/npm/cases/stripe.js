import Stripe from "stripe";
export default { async run() {
  const asked = [], fetch = async (url, init) => { asked.push([String(url), init.method, String(init.body)]); return Response.json({ id: "pi_1", object: "payment_intent", amount: 100 }, { headers: { "request-id": "req_1" } }); };
  const stripe = new Stripe("sk_test_x", { httpClient: Stripe.createFetchHttpClient(fetch), telemetry: false });
  const made = await stripe.paymentIntents.create({ amount: 100, currency: "eur", metadata: { a: "b c" } });
  const header = await stripe.webhooks.generateTestHeaderStringAsync({ payload: "{}", secret: "whsec", timestamp: 1700000000 });
  return [made.id, made.lastResponse.requestId, asked, header];
} };
