// @ts-check
// What metadata files answer. A part of the bundle: it runs beside the code that it calls, and
// may be changed by it as anything there. The texts are, byte for byte, those of Next.js; values
// go into XML as they are, since people escape them where they have to be.

/** Browsers and robots ask each time whether it is still so. */
const REVALIDATE = "public, max-age=0, must-revalidate";

/** @param {any} content @param {string} type */
function answer(content, type) {
  return new Response(content, { headers: { "content-type": type, "cache-control": REVALIDATE } });
}

function notFound() {
  return new Response("Not Found", { status: 404 });
}

/** @param {any} file @param {string} name */
function handlerOf(file, name) {
  if (typeof file.default === "function") return file.default;
  throw new Error(`Default export is missing in ${name}: it has to be a function that returns what is served`);
}

/** @param {any} value @returns {any[]} */
function listOf(value) {
  return Array.isArray(value) ? value : [value];
}

/**
 * The one that a path asks for.
 * @param {any[]} items @param {string | undefined} asked @param {string} from
 */
function itemOf(items, asked, from) {
  for (const item of items) {
    if (item?.id == null) throw new Error(`id property is required for every item returned from ${from}`);
    if (String(item.id) === asked) return item;
  }
  return undefined;
}

/** @param {any} data */
function robotsText(data) {
  const lines = [];
  /** @param {string} name @param {any} values */
  const say = (name, values) => {
    for (const value of listOf(values)) lines.push(`${name}: ${value}`);
  };
  for (const rule of listOf(data.rules)) {
    say("User-Agent", rule.userAgent || "*");
    if (rule.allow) say("Allow", rule.allow);
    if (rule.disallow) say("Disallow", rule.disallow);
    if (rule.crawlDelay) say("Crawl-delay", rule.crawlDelay);
    for (const [name, values] of Object.entries(rule.other || {})) {
      if (values != null) say(name, values);
    }
    lines.push("");
  }
  if (data.host) lines.push(`Host: ${data.host}`);
  if (data.sitemap) say("Sitemap", data.sitemap);
  return lines.map((line) => `${line}\n`).join("");
}

/** Elements of a video that hold a value and nothing else, by those around the others. */
const VIDEO_ALWAYS = ["title", "thumbnail_loc", "description"];
const VIDEO_IF_GIVEN = [
  "content_loc",
  "player_loc",
  "duration",
  "view_count",
  "tag",
  "rating",
  "expiration_date",
  "publication_date",
  "family_friendly",
  "requires_subscription",
  "live",
];

/** Elements of a video that have an attribute as well. */
const VIDEO_WITH_ATTRIBUTE = [["restriction", "relationship"], ["platform", "relationship"], ["uploader", "info"]];

/** @param {any} video */
function videoLines(video) {
  const lines = ["<video:video>"];
  /** @param {string} name */
  const say = (name) => lines.push(`<video:${name}>${video[name]}</video:${name}>`);
  VIDEO_ALWAYS.forEach(say);
  VIDEO_IF_GIVEN.filter((name) => video[name]).forEach(say);
  for (const [name, attribute] of VIDEO_WITH_ATTRIBUTE) {
    const element = video[name];
    if (!element) continue;
    // An uploader may have none, for which Next.js writes XML that is none.
    const given = attribute === "info" && !element.info ? "" : ` ${attribute}="${element[attribute]}"`;
    lines.push(`<video:${name}${given}>${element.content}</video:${name}>`);
  }
  lines.push("</video:video>");
  return lines;
}

/** @param {any} entry */
function urlLines(entry) {
  const lines = ["<url>", `<loc>${entry.url}</loc>`];
  const languages = entry.alternates?.languages || {};
  for (const language of Object.keys(languages)) {
    lines.push(`<xhtml:link rel="alternate" hreflang="${language}" href="${languages[language]}" />`);
  }
  for (const image of entry.images || []) {
    lines.push("<image:image>", `<image:loc>${image}</image:loc>`, "</image:image>");
  }
  for (const video of entry.videos || []) lines.push(...videoLines(video));
  const { lastModified, changeFrequency, priority } = entry;
  if (lastModified) {
    lines.push(`<lastmod>${lastModified instanceof Date ? lastModified.toISOString() : lastModified}</lastmod>`);
  }
  if (changeFrequency) lines.push(`<changefreq>${changeFrequency}</changefreq>`);
  if (typeof priority === "number") lines.push(`<priority>${priority}</priority>`);
  lines.push("</url>");
  return lines;
}

/** @param {any} entries */
function sitemapText(entries) {
  /** @param {(entry: any) => any} has @param {string} name @param {string} schema */
  const space = (has, name, schema) => entries.some(has) ? ` xmlns:${name}="${schema}"` : "";
  const spaces = [
    ' xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"',
    space((entry) => entry.images?.length, "image", "http://www.google.com/schemas/sitemap-image/1.1"),
    space((entry) => entry.videos?.length, "video", "http://www.google.com/schemas/sitemap-video/1.1"),
    space((entry) => Object.keys(entry.alternates ?? {}).length, "xhtml", "http://www.w3.org/1999/xhtml"),
  ];
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<urlset${spaces.join("")}>`];
  for (const entry of entries) lines.push(...urlLines(entry));
  lines.push("</urlset>");
  return lines.map((line) => `${line}\n`).join("");
}

// One for each form of metadata, which makes the handler of a route. `name` is the file as
// people know it, `isPlain` whether `params` and `id` come without a promise.

/** @param {any} content @param {string} type */
export function file(content, type) {
  return () => answer(content, type);
}

/** @param {any} file @param {string} name @param {string} type */
export function robots(file, name, type) {
  const handler = handlerOf(file, name);
  return async () => answer(robotsText(await handler()), type);
}

/** @param {any} file @param {string} name @param {string} type */
export function manifest(file, name, type) {
  const handler = handlerOf(file, name);
  return async () => answer(JSON.stringify(await handler()), type);
}

/** @param {any} file @param {string} name @param {string} type */
export function sitemap(file, name, type) {
  const handler = handlerOf(file, name);
  return async () => answer(sitemapText(await handler()), type);
}

/** @param {any} file @param {string} name @param {string} type @param {boolean} isPlain */
export function sitemaps(file, name, type, isPlain) {
  const handler = handlerOf(file, name);
  return async (/** @type {unknown} */ _, /** @type {any} */ context) => {
    const asked = (await context.params).__metadata_id__;
    const id = asked.endsWith(".xml") ? asked.slice(0, -4) : undefined;
    const item = itemOf(await file.generateSitemaps(), id, "generateSitemaps");
    if (item === undefined) return notFound();
    return answer(sitemapText(await handler({ id: isPlain ? item.id : Promise.resolve(id) })), type);
  };
}

/** @param {any} file @param {string} name @param {string} _type @param {boolean} isPlain */
export function image(file, name, _type, isPlain) {
  const handler = handlerOf(file, name);
  return async (/** @type {unknown} */ _, /** @type {any} */ context) =>
    handler({ params: isPlain ? await context.params : context.params });
}

/** @param {any} file @param {string} name @param {string} _type @param {boolean} isPlain */
export function images(file, name, _type, isPlain) {
  const handler = handlerOf(file, name);
  return async (/** @type {unknown} */ _, /** @type {any} */ context) => {
    const { __metadata_id__: asked, ...params } = await context.params;
    const item = itemOf(await file.generateImageMetadata({ params }), asked, "generateImageMetadata");
    if (item === undefined) return notFound();
    return handler(isPlain ? { params, id: item.id } : { params: Promise.resolve(params), id: Promise.resolve(asked) });
  };
}
