import Big from "big.js";
export default { run() { return [new Big("0.1").plus("0.2").toString(), new Big(2).pow(100).toFixed(), new Big(1).div(3).toFixed(5), new Big("1e-7").toExponential()]; } };
