const { moment, refreshes } = document.documentElement.dataset;
new EventSource("/_edgehost/events").onmessage = (event) => {
  if (event.data !== moment) location.reload();
};
if (refreshes !== undefined) {
  setInterval(async () => {
    if (document.visibilityState !== "visible") return;
    const answer = await fetch("/_edgehost/routes").catch(() => undefined);
    if (answer?.ok) document.querySelector("main").innerHTML = await answer.text();
  }, 2000);
}
