import i18next from 'i18next';

export async function GET() {
  const i18n = i18next.createInstance();
  await i18n.init({ lng: 'de', fallbackLng: 'en', resources: {
    en: { translation: { hello: 'Hello {{name}}', item_one: '{{count}} item', item_other: '{{count}} items', only: 'only en', price: '{{v, currency(USD)}}', friend_male: 'boyfriend', nest: '$t(hello, {"name": "N"})!' } },
    de: { translation: { hello: 'Hallo {{name}}', item_one: '{{count}} Ding', item_other: '{{count}} Dinge', date: '{{d, datetime}}', list: '{{l, list}}' } },
    pl: { translation: { f_one: '{{count}} plik', f_few: '{{count}} pliki', f_many: '{{count}} plików' } },
  } });
  const en = i18n.getFixedT('en'), pl = i18n.getFixedT('pl');
  return Response.json({ de: i18n.t('hello', { name: '<A>' }), plural: [1, 2].map((count) => i18n.t('item', { count })), fallback: i18n.t('only'), pl: [1, 3, 5].map((count) => pl('f', { count })), price: en('price', { v: 1234.5 }), ctx: en('friend', { context: 'male' }), nest: en('nest'), list: i18n.t('list', { l: ['a', 'b', 'c'] }), missing: i18n.t('nope'), dir: i18n.dir('ar'), exists: i18n.exists('hello') });
}
