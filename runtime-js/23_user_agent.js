// @ts-check
// `userAgent()` of next/server: browser, engine, system and device of a request.
//
// Covers the browsers that make up nearly all traffic; fields that are not
// recognised are undefined, as with the parser that Next.js carries.
(function () {
const { primordials } = __bootstrap;
const { RegExpPrototypeExec, SafeArrayIterator, SafeRegExp, StringPrototypeReplace, StringPrototypeSplit } =
  primordials;

const BOT = new SafeRegExp(
  "Googlebot|Mediapartners-Google|AdsBot-Google|googleweblight|Storebot-Google|Google-PageRenderer|Google-InspectionTool|Bingbot|BingPreview|Slurp|DuckDuckBot|baiduspider|yandex|sogou|LinkedInBot|bitlybot|tumblr|vkShare|quora link preview|facebookexternalhit|facebookcatalog|Twitterbot|applebot|redditbot|Slackbot|Discordbot|WhatsApp|SkypeUriPreview|ia_archiver|GPTBot",
  "i",
);

const re = (/** @type {string} */ source) => new SafeRegExp(source, "i");

/** @type {[RegExp, string][]} Most specific first: many browsers also call themselves Chrome and Safari. */
const BROWSERS = [
  [re("\\b(?:edg|edge|edga|edgios)/([\\w.]+)"), "Edge"],
  [re("\\b(?:opr|opera)/([\\w.]+)"), "Opera"],
  [re("samsungbrowser/([\\w.]+)"), "Samsung Internet"],
  [re("yabrowser/([\\w.]+)"), "Yandex"],
  [re("vivaldi/([\\w.]+)"), "Vivaldi"],
  [re("fxios/([\\w.]+)"), "Firefox"],
  [re("firefox/([\\w.]+)"), "Firefox"],
  [re("crios/([\\w.]+)"), "Chrome"],
  [re("headlesschrome/([\\w.]+)"), "Chrome Headless"],
  [re("\\bwv\\).*chrome/([\\w.]+)"), "Chrome WebView"],
  [re("(?:chrome|chromium)/([\\w.]+)"), "Chrome"],
  [re("version/([\\w.]+).*mobile/\\w+.*safari"), "Mobile Safari"],
  [re("version/([\\w.]+).*safari"), "Safari"],
  [re("(?:msie |rv:)([\\w.]+).*(?:trident|msie)|trident.*rv:([\\w.]+)"), "IE"],
];

/** @type {[RegExp, string][]} */
const SYSTEMS = [
  [re("windows nt 10\\.0"), "Windows"],
  [re("windows nt ([\\w.]+)"), "Windows"],
  [re("(?:iphone|ipad|ipod).*? os ([\\w_]+)"), "iOS"],
  [re("android ([\\w.]+)"), "Android"],
  [re("mac os x ?([\\w_.]*)"), "Mac OS"],
  [re("cros [\\w]+ ([\\w.]+)"), "Chromium OS"],
  [re("ubuntu(?:[/ ]([\\w.]+))?"), "Ubuntu"],
  [re("linux(?: ([\\w.]+))?"), "Linux"],
];

/** @type {[RegExp, string][]} */
const ARCHITECTURES = [
  [re("\\b(?:amd64|x86_64|x64|wow64|win64)\\b"), "amd64"],
  [re("\\b(?:aarch64|arm64)\\b"), "arm64"],
  [re("\\b(?:i[346]86|x86)\\b"), "ia32"],
  [re("\\barm"), "arm"],
];

/** @param {string} ua */
function engineOf(ua) {
  const blink = RegExpPrototypeExec(re("chrom(?:e|ium)/([\\w.]+)"), ua);
  if (blink !== null && RegExpPrototypeExec(re("applewebkit/537\\.36"), ua) !== null) {
    return { name: "Blink", version: blink[1] };
  }
  const webkit = RegExpPrototypeExec(re("applewebkit/([\\w.]+)"), ua);
  if (webkit !== null) return { name: "WebKit", version: webkit[1] };
  const gecko = RegExpPrototypeExec(re("rv:([\\w.]+)\\).*gecko/"), ua);
  if (gecko !== null) return { name: "Gecko", version: gecko[1] };
  const trident = RegExpPrototypeExec(re("trident/([\\w.]+)"), ua);
  if (trident !== null) return { name: "Trident", version: trident[1] };
  return { name: undefined, version: undefined };
}

/** @param {string} ua */
function deviceOf(ua) {
  const apple = RegExpPrototypeExec(re("\\b(iphone|ipad|ipod)\\b"), ua);
  if (apple !== null) {
    const tablet = RegExpPrototypeExec(re("ipad"), ua) !== null;
    return {
      vendor: "Apple",
      model: tablet ? "iPad" : RegExpPrototypeExec(re("ipod"), ua) !== null ? "iPod" : "iPhone",
      type: tablet ? "tablet" : "mobile",
    };
  }
  const android = RegExpPrototypeExec(re("android [\\w.]+;(?: [a-z]{2}[-_][a-z]{2};)? ([^;)]+?)(?: build|[;)])"), ua);
  if (RegExpPrototypeExec(re("android"), ua) !== null) {
    const model = android === null || android[1] === "K" ? undefined : android[1];
    const vendor = model === undefined
      ? undefined
      : RegExpPrototypeExec(re("^(?:sm-|gt-|samsung)"), model) !== null
      ? "Samsung"
      : RegExpPrototypeExec(re("^pixel"), model) !== null
      ? "Google"
      : RegExpPrototypeExec(re("^(?:redmi|mi |m20|xiaomi|poco)"), model) !== null
      ? "Xiaomi"
      : undefined;
    return { vendor, model, type: RegExpPrototypeExec(re("mobile"), ua) !== null ? "mobile" : "tablet" };
  }
  if (RegExpPrototypeExec(re("macintosh"), ua) !== null) {
    return { vendor: "Apple", model: "Macintosh", type: undefined };
  }
  return { vendor: undefined, model: undefined, type: undefined };
}

/** @param {string | undefined} input */
function userAgentFromString(input) {
  const ua = input ?? "";
  let browser = { name: /** @type {string | undefined} */ (undefined), version: undefined, major: undefined };
  for (const entry of new SafeArrayIterator(BROWSERS)) {
    const found = RegExpPrototypeExec(entry[0], ua);
    if (found !== null) {
      const version = found[1] ?? found[2];
      browser = { name: entry[1], version, major: StringPrototypeSplit(version ?? "", ".")[0] || undefined };
      break;
    }
  }
  let os = { name: /** @type {string | undefined} */ (undefined), version: undefined };
  for (const entry of new SafeArrayIterator(SYSTEMS)) {
    const found = RegExpPrototypeExec(entry[0], ua);
    if (found !== null) {
      const version = found[1] === undefined ? undefined : StringPrototypeReplace(found[1], new SafeRegExp("_", "g"), ".");
      os = { name: entry[1], version: entry[1] === "Windows" && version === undefined ? "10" : version || undefined };
      break;
    }
  }
  let architecture;
  for (const entry of new SafeArrayIterator(ARCHITECTURES)) {
    if (RegExpPrototypeExec(entry[0], ua) !== null) {
      architecture = entry[1];
      break;
    }
  }
  return {
    isBot: input === undefined ? false : RegExpPrototypeExec(BOT, ua) !== null,
    ua,
    browser,
    engine: engineOf(ua),
    os,
    device: deviceOf(ua),
    cpu: { architecture },
  };
}

/** @param {{ headers: Headers }} request */
function userAgent({ headers }) {
  return userAgentFromString(headers.get("user-agent") ?? undefined);
}

return { userAgent, userAgentFromString };
})();
