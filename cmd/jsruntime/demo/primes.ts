// oneoff: run by hand with POST /api/v1/scripts/{id}/executions or /api/v1/invoke/primes
export default {
  async run(input: { upTo?: number } | null) {
    const upTo = Math.min(input?.upTo ?? 100, 1_000_000);
    const composite = new Uint8Array(upTo + 1);
    const primes: number[] = [];
    for (let n = 2; n <= upTo; n++) {
      if (composite[n]) continue;
      primes.push(n);
      for (let m = n * n; m <= upTo; m += n) composite[m] = 1;
    }
    return { count: primes.length, last: primes.at(-1) ?? null };
  },
};
