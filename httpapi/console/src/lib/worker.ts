// The one way to start a worker: the Content-Security-Policy admits a single Trusted Types policy, which admits the workers of this bundle
// and nothing else. It is made when the page loads; a second one of its name is refused by the browser.

interface Policy { createScriptURL(url: string): string }
interface Factory { createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): Policy }

const own = /^\/console\/assets\/[A-Za-z0-9_-]+\.js$/;
const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy = factory?.createPolicy("jsruntime-worker", {
  createScriptURL(url) {
    if (!own.test(url)) throw new TypeError("This is not a worker of the console.");
    return url;
  },
});

/** startWorker starts a worker of src/workers: startWorker(WORKER_NAME), declared by the page that uses it. */
export function startWorker(address: string): Worker {
  if (!own.test(address)) throw new TypeError("This is not a worker of the console.");
  return new Worker(policy ? policy.createScriptURL(address) : address, { type: "module" });
}
