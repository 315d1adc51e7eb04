/** One request for depth, with the progress of its two ways: XMLHttpRequest tells it, `fetch` does not. */

import { refusal, type Facts } from "./api";
import type { Picture } from "./picture";

export interface Wishes {
  model: string;
  outputs?: string[];
  colours?: string;
  ratio?: number;
  fov?: number | null;
  calibrate?: string[];
  far?: number | null;
}
export interface Answer {
  bytes: ArrayBuffer;
  type: string;
  name: string;
  facts: Facts | null;
}
export type Step = { phase: "sending" | "working" | "receiving"; share: number };

/** Return the options as a form has them; those that are not set are left out. */
export function options(wishes: Wishes): [string, string][] {
  const fields: [string, string][] = [];
  if (wishes.model) fields.push(["model", wishes.model]);
  for (const output of wishes.outputs ?? []) fields.push(["outputs", output]);
  if (wishes.colours) fields.push(["colours", wishes.colours]);
  if (wishes.ratio) fields.push(["ratio", String(wishes.ratio)]);
  if (wishes.fov) fields.push(["fov", String(wishes.fov)]);
  for (const point of wishes.calibrate ?? []) fields.push(["calibrate", point]);
  if (wishes.far) fields.push(["far", String(wishes.far)]);
  return fields;
}

/** Post a picture; the promise fails with a `Refusal`, or an AbortError once `signal` says so. */
export function predict(
  picture: Picture,
  wishes: Wishes,
  accept: string,
  step: (now: Step) => void = () => undefined,
  signal?: AbortSignal,
): Promise<Answer> {
  const form = new FormData();
  for (const [name, value] of options(wishes)) form.append(name, value);
  form.append("image", picture.file, picture.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    const share = (event: ProgressEvent) => (event.lengthComputable && event.total ? event.loaded / event.total : 0);
    request.open("POST", "/api/predict");
    request.responseType = "arraybuffer";
    request.setRequestHeader("Accept", accept);
    request.upload.onprogress = (event) => step({ phase: "sending", share: share(event) });
    request.upload.onload = () => step({ phase: "working", share: 0 });
    request.onprogress = (event) => step({ phase: "receiving", share: share(event) });
    request.onloadend = () => signal?.removeEventListener("abort", stop);
    request.onabort = () => reject(new DOMException("The request was cancelled", "AbortError"));
    request.onerror = () => reject(refusal(0, "", null));
    request.onload = () => {
      const bytes = request.response as ArrayBuffer;
      if (request.status !== 200) {
        reject(refusal(request.status, new TextDecoder().decode(bytes), request.getResponseHeader("Retry-After")));
        return;
      }
      const facts = request.getResponseHeader("Depthmap-Facts");
      resolve({
        bytes,
        type: request.getResponseHeader("Content-Type") ?? "application/octet-stream",
        name: fileName(request.getResponseHeader("Content-Disposition")),
        facts: facts ? (JSON.parse(facts) as Facts) : null,
      });
    };
    signal?.addEventListener("abort", stop);
    step({ phase: "sending", share: 0 });
    request.send(form);
  });
}

/** Return the file name of a Content-Disposition, the one in UTF-8 where there are two. */
export function fileName(disposition: string | null): string {
  const coded = /filename\*=(?:utf-8|UTF-8)''([^;]+)/.exec(disposition ?? "");
  if (coded?.[1]) return decodeURIComponent(coded[1]);
  return /filename="?([^";]+)"?/.exec(disposition ?? "")?.[1] ?? "depth";
}
