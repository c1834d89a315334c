import dayjs from 'dayjs';
import utc from 'dayjs/plugin/utc';
import timezone from 'dayjs/plugin/timezone';
import relativeTime from 'dayjs/plugin/relativeTime';
import customParseFormat from 'dayjs/plugin/customParseFormat';
import 'dayjs/locale/fr';

dayjs.extend(utc);
dayjs.extend(timezone);
dayjs.extend(relativeTime);
dayjs.extend(customParseFormat);

export async function GET() {
  const d = dayjs.utc('2024-07-01T12:00:00Z');
  return Response.json({
    ny: d.tz('America/New_York').format('YYYY-MM-DD HH:mm Z'), tokyo: d.tz('Asia/Tokyo').format(), kathmandu: d.tz('Asia/Kathmandu').format('HH:mm'),
    fromLocal: dayjs.tz('2024-01-15 09:00', 'Europe/Berlin').toISOString(), fr: d.locale('fr').format('dddd D MMMM YYYY'), rel: d.from(d.add(3, 'day')),
    parsed: dayjs.utc('05-02-2020', 'DD-MM-YYYY').toISOString(), diff: d.diff(dayjs.utc('2024-01-01'), 'month', true).toFixed(3), end: d.endOf('month').toISOString(), bad: dayjs('x').isValid(),
  });
}
