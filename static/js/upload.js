// @ts-check
// Upload of one file, with its progress: fetch reports none in all browsers.
import { API, csrfToken, errorOf, unreachable } from "./api.js";

export class Upload {
  /** `onProgress(part)`: the part that has been sent, from 0 to 1; at 1 the server reads the file. */
  constructor(/** @type {File} */ file, /** @type {(part: number) => void} */ onProgress) {
    this.request = new XMLHttpRequest();
    this.file = file;
    this.onProgress = onProgress;
  }

  /** Return the file as the API describes it, null if the upload was aborted. Throws ApiError. */
  send() {
    const { request } = this;
    const body = new FormData();
    body.append("file", this.file, this.file.name);
    request.open("POST", `${API}files`);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => this.onProgress(total ? loaded / total : 0));
    request.upload.addEventListener("load", () => this.onProgress(1));
    return new Promise((resolve, reject) => {
      request.addEventListener("abort", () => resolve(null));
      request.addEventListener("error", () => reject(unreachable()));
      request.addEventListener("load", () => {
        const { status, response } = request;
        if (status === 201 && response) resolve(response);
        else reject(errorOf(status, response, request.getResponseHeader("Retry-After")));
      });
      request.send(body);
    });
  }

  abort() {
    this.request.abort();
  }
}
