import { bufferCount, firstValueFrom, from, interval, map, mergeMap, of, reduce, scan, Subject, take, toArray } from "rxjs";
export default { async run() {
  const s = new Subject(), seen = []; s.pipe(scan((a, b) => a + b, 0)).subscribe((v) => seen.push(v)); s.next(1); s.next(2);
  return [await firstValueFrom(interval(1).pipe(take(3), toArray())), await firstValueFrom(from([1, 2, 3, 4]).pipe(mergeMap((x) => of(x, x * 10)), bufferCount(3), map((b) => b.length), reduce((a, b) => a + b))), seen];
} };
