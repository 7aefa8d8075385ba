import { tax } from "./tax";

export default {
  run({ net }: { net: number }) {
    if (net < 0) throw new RangeError(`a price of ${net}`);
    return { net, gross: tax(net) };
  },
};
