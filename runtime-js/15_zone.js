// @ts-check
// The time zone of the isolate: what `TZ` says, that of the host otherwise.
(function () {
const { core, primordials } = __bootstrap;
const { op_edgehost_zone } = core.ops;
const {
  Date,
  DatePrototypeGetTimezoneOffset,
  ObjectCreate,
  ObjectDefineProperty,
  Proxy,
  ReflectApply,
  ReflectConstruct,
  RegExpPrototypeExec,
  SafeArrayIterator,
  SafeRegExp,
} = primordials;
const { Intl } = /** @type {any} */ (globalThis);
const { DateTimeFormat } = Intl;
const { resolvedOptions } = DateTimeFormat.prototype;

/** What `Date` works with is kept per isolate from here on. Called by the host, under a lock. */
function fill() {
  DatePrototypeGetTimezoneOffset(new Date(0));
}

/** `:Europe/Berlin` and `/usr/share/zoneinfo/Europe/Berlin` are zones by their names as well. */
const NAME = new SafeRegExp("^:?(?:.*/zoneinfo/)?([A-Za-z].*)$");
/** `UTC+2`, which lies west of Greenwich, as in `Etc/GMT+2`. */
const OFFSET = new SafeRegExp("^[A-Za-z]+([+-]\\d{1,2})$");
const FALLBACK = "UTC";

/**
 * The zone that a value of `TZ` means: as in Node.js, UTC if there is none of that name.
 * @param {string} text
 */
function nameOf(text) {
  const name = RegExpPrototypeExec(NAME, text)?.[1] ?? FALLBACK;
  const offset = RegExpPrototypeExec(OFFSET, name);
  try {
    const format = new DateTimeFormat("en", { __proto__: null, timeZone: offset === null ? name : `Etc/GMT${offset[1]}` });
    return ReflectApply(resolvedOptions, format, []).timeZone;
  } catch {
    return FALLBACK;
  }
}

/** The zone, if it is another one than the host's. @type {string | undefined} */
let zone;
let isInstalled = false;

/** @param {string | undefined} text the value of `TZ` */
function setZone(text) {
  const name = text === undefined ? undefined : nameOf(text);
  const host = op_edgehost_zone(name, fill);
  zone = name === host ? undefined : name;
  if (zone !== undefined && !isInstalled) install();
}

/** Options with the zone where they name none. @param {any} options */
function withZone(options) {
  if (zone === undefined) return options;
  if (options === undefined) return { __proto__: null, timeZone: zone };
  if (typeof options !== "object" && typeof options !== "function" || options === null) return options;
  return options.timeZone === undefined
    ? ObjectCreate(options, { __proto__: null, timeZone: { __proto__: null, value: zone, enumerable: true } })
    : options;
}

/**
 * Puts a function in the place of a method, with its name and number of arguments.
 * @param {any} holder @param {string} name @param {(original: any) => any} make
 */
function replace(holder, name, make) {
  const original = holder[name];
  const value = { [name]: make(original) }[name];
  for (const property of new SafeArrayIterator(["name", "length"])) {
    ObjectDefineProperty(value, property, { __proto__: null, value: original[property], configurable: true });
  }
  ObjectDefineProperty(holder, name, { __proto__: null, value, writable: true, configurable: true });
}

// `Intl` and `Temporal` ask for the zone of the process each time.
function install() {
  isInstalled = true;
  const format = new Proxy(DateTimeFormat, {
    __proto__: null,
    apply: (/** @type {any} */ target, /** @type {any} */ self, /** @type {any[]} */ args) =>
      ReflectApply(target, self, [args[0], withZone(args[1])]),
    construct: (/** @type {any} */ target, /** @type {any[]} */ args, /** @type {any} */ newTarget) =>
      ReflectConstruct(target, [args[0], withZone(args[1])], newTarget),
  });
  for (const { 0: holder, 1: name } of new SafeArrayIterator([[Intl, "DateTimeFormat"], [DateTimeFormat.prototype, "constructor"]])) {
    ObjectDefineProperty(holder, name, { __proto__: null, value: format, writable: true, configurable: true });
  }
  /** @param {any} original */
  const localised = (original) => ({
    /** @this {unknown} @param {unknown} locales @param {unknown} options */
    method(locales = undefined, options = undefined) {
      return ReflectApply(original, this, [locales, withZone(options)]);
    },
  }).method;
  for (const name of new SafeArrayIterator(["toLocaleString", "toLocaleDateString", "toLocaleTimeString"])) {
    replace(Date.prototype, name, localised);
  }
  // V8 makes it when it is first looked at.
  const { Temporal } = /** @type {any} */ (globalThis);
  if (Temporal === undefined) return;
  replace(Temporal.Instant.prototype, "toLocaleString", localised);
  replace(Temporal.Now, "timeZoneId", (original) => ({ method: () => zone ?? ReflectApply(original, Temporal.Now, []) }).method);
  for (const name of new SafeArrayIterator(["plainDateISO", "plainDateTimeISO", "plainTimeISO", "zonedDateTimeISO"])) {
    replace(Temporal.Now, name, (original) => ({
      method: (/** @type {unknown} */ given = undefined) => ReflectApply(original, Temporal.Now, [given === undefined ? zone : given]),
    }).method);
  }
}

return { setZone };
})();
