export const tax = (net: number): number => Math.round(net * 119) / 100;
