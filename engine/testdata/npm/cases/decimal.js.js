import { Decimal } from "decimal.js";
export default { run() { Decimal.set({ precision: 40 }); return [new Decimal(2).sqrt().toString(), Decimal.acos(-1).toString(), new Decimal("0.1").plus(0.2).equals(0.3), new Decimal("123.456").toFixed(1)]; } };
