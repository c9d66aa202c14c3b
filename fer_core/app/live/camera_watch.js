// The video component says nothing to the page about a refused camera, so the page asks the browser itself. Only trouble
// is reported, since every report runs the page again.
export default function ({ setStateValue }) {
  let last = "", permission = null;
  const report = (trouble) => { if (trouble !== last) { last = trouble; setStateValue("trouble", trouble); } };
  const look = async () => {
    if (!navigator.mediaDevices) return report("insecure");
    if (permission?.state === "denied") return report("denied");
    const devices = await navigator.mediaDevices.enumerateDevices();
    report(devices.some((device) => device.kind === "videoinput") ? "" : "missing");
  };
  const listen = async () => {
    // Browsers that can't be asked throw; the video component still shows its own error there.
    try { permission = await navigator.permissions.query({ name: "camera" }); } catch { permission = null; }
    permission?.addEventListener("change", look);
    navigator.mediaDevices?.addEventListener("devicechange", look);
    await look();
  };
  listen();
  return () => {
    permission?.removeEventListener("change", look);
    navigator.mediaDevices?.removeEventListener("devicechange", look);
  };
}
