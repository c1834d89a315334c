import { of, from, interval, Subject, firstValueFrom, lastValueFrom, merge, throwError, timer } from 'rxjs';
import { map, filter, take, toArray, mergeMap, switchMap, debounceTime, scan, catchError, retry, bufferCount, takeUntil } from 'rxjs/operators';

export async function GET() {
  const a = await lastValueFrom(from([1, 2, 3, 4]).pipe(filter((x) => x % 2 === 0), map((x) => x * 10), toArray()));
  const b = await lastValueFrom(interval(5).pipe(take(3), scan((s, x) => s + x, 0), toArray()));
  const c = await firstValueFrom(throwError(() => new Error('no')).pipe(catchError((e) => of('caught ' + e.message))));
  let tries = 0;
  const d = await lastValueFrom(of(1).pipe(mergeMap(async () => { if (++tries < 3) throw new Error('x'); return tries; }), retry(5)));
  const s = new Subject<number>();
  const e = lastValueFrom(s.pipe(debounceTime(5), toArray()));
  s.next(1); s.next(2); setTimeout(() => s.complete(), 20);
  const f = await lastValueFrom(merge(timer(10).pipe(map(() => 'slow')), of('fast')).pipe(toArray()));
  const g = await lastValueFrom(from('abcd').pipe(bufferCount(2), switchMap((x) => of(x.join(''))), takeUntil(timer(1000)), toArray()));
  return Response.json({ a, b, c, d, e: await e, f, g });
}
