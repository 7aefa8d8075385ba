export interface Line {
  price: number;
  quantity: number;
}

const rates: Record<string, number> = { de: 0.19, fr: 0.2 };

export function total(lines: readonly Line[], country: string): number {
  const net = lines.reduce((sum, line) => sum + line.price * line.quantity, 0);
  return Math.round(net * (1 + (rates[country] ?? 0)) * 100) / 100;
}
