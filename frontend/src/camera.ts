/** A picture from the camera of this machine. */

import { open } from "./dialog";
import { button, make } from "./dom";
import { tell } from "./live";
import { Picture } from "./picture";

/** Let a person take a picture; null where none was taken. */
export async function takePicture(): Promise<Picture | null> {
  let stream: MediaStream;
  try {
    const wanted = { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "environment" };
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
  } catch (error) {
    tell(reasonOf(error), "error");
    return null;
  }
  const video = make("video", { playsinline: true, "aria-label": "What the camera sees" });
  video.muted = true;
  video.srcObject = stream;
  void video.play();
  const taken = await open("Take a picture", (close) => [
    video,
    make(
      "footer",
      {},
      button("Cancel", () => close(false)),
      button("Take it", () => close(true), { class: "button primary", autofocus: true }),
    ),
  ], true);
  const picture = taken && video.videoWidth ? await frameOf(video) : null;
  for (const track of stream.getTracks()) track.stop();
  return picture;
}

function reasonOf(error: unknown): string {
  if (!window.isSecureContext || !navigator.mediaDevices)
    return "The browser gives the camera to pages on localhost or https only. Open this page there.";
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The browser did not allow the camera. Allow it for this page, then try again.";
  if (name === "NotFoundError") return "This machine has no camera that the browser can use.";
  return `The camera cannot be used: ${error instanceof Error ? error.message : String(error)}`;
}

async function frameOf(video: HTMLVideoElement): Promise<Picture | null> {
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
  return blob && new Picture(blob, "camera.jpg");
}
