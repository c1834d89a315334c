import moment from 'moment';
import 'moment/locale/de';

export async function GET() {
  moment.locale('en');
  const m = moment.utc('2024-02-29T10:20:30Z');
  return Response.json({
    fmt: m.format('dddd, MMMM Do YYYY, h:mm:ss a'), de: m.clone().locale('de').format('LLLL'), add: m.clone().add(1, 'year').format('YYYY-MM-DD'), from: m.from(moment.utc('2024-03-05')),
    dur: moment.duration(90, 'minutes').humanize(), iso: moment.duration({ hours: 3, minutes: 4 }).toISOString(), parse: moment.utc('12-25-1995', 'MM-DD-YYYY', true).toISOString(), bad: moment('zzz', 'YYYY', true).isValid(),
    cal: m.clone().calendar(moment.utc('2024-03-01')), diff: moment.utc('2024-12-25').diff(m, 'days'), week: m.isoWeek(),
  });
}
