import { DateTime, Duration, Interval, Settings, Info } from 'luxon';

export async function GET() {
  const d = DateTime.fromISO('2024-03-31T00:30:00', { zone: 'Europe/Berlin' });
  return Response.json({
    dst: [d.offset, d.plus({ hours: 2 }).offset, d.plus({ hours: 2 }).toISO()], la: d.setZone('America/Los_Angeles').toFormat("yyyy LLL dd HH:mm ZZZZ"),
    loc: d.setLocale('de').toLocaleString(DateTime.DATE_FULL), fmt: d.setLocale('ja').toFormat('cccc'), dur: Duration.fromObject({ hours: 25, minutes: 61 }).normalize().shiftTo('days', 'hours', 'minutes').toObject(),
    human: Duration.fromObject({ days: 1, hours: 2 }).toHuman(), interval: Interval.fromISO('2024-01-01/2024-01-31').splitBy({ weeks: 1 }).length, invalid: DateTime.fromISO('nope').invalidReason,
    months: Info.months('short', { locale: 'es' }).slice(0, 3), http: d.toHTTP(), week: d.toISOWeekDate(), rel: d.plus({ days: 2 }).toRelative({ base: d }), zone: Settings.defaultZone.isValid,
  });
}
