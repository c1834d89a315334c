// @ts-check
// As 00_telemetry.js: how spans would be filled.
(function () {
return __bootstrap.internals.__telemetryUtil;
})();
