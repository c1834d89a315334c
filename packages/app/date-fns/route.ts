import { addDays, differenceInCalendarDays, format, formatDistance, parse, parseISO, startOfWeek, eachDayOfInterval, isValid, intervalToDuration, formatISO } from 'date-fns';
import { de } from 'date-fns/locale';

export async function GET() {
  const d = new Date(2024, 1, 28, 13, 5, 9);
  return Response.json({
    add: format(addDays(d, 2), 'yyyy-MM-dd HH:mm:ss'), locale: format(d, 'EEEE, d. MMMM yyyy', { locale: de }), diff: differenceInCalendarDays(new Date(2024, 2, 1), d),
    dist: formatDistance(new Date(2024, 0, 1), new Date(2024, 3, 1), { addSuffix: true }), parsed: parse('03/04/2021', 'dd/MM/yyyy', new Date(0)).getMonth(),
    week: format(startOfWeek(d, { weekStartsOn: 1 }), 'yyyy-MM-dd'), days: eachDayOfInterval({ start: d, end: addDays(d, 3) }).length, invalid: isValid(parseISO('2024-13-45')),
    dur: intervalToDuration({ start: new Date(2020, 0, 1), end: new Date(2021, 2, 4) }), iso: formatISO(d, { representation: 'date' }),
  });
}
