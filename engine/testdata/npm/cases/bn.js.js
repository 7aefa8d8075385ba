import BN from "bn.js";
export default { run() { return [new BN("ffffffffffffffff", 16).mul(new BN(3)).toString(10), new BN(7).pow(new BN(50)).mod(new BN(1000007)).toNumber(), new BN("-42").toTwos(16).toString(2), new BN(256).toArray("be", 4)]; } };
