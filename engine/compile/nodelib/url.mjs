// node:url: the globals, the functions about file URLs, and the legacy API of the package url.
import { Url, format as legacyFormat, parse, resolve, resolveObject } from "jsruntime:vendor/url.js";

const URL = globalThis.URL, URLSearchParams = globalThis.URLSearchParams;

function failure(Base, code, message) {
  return Object.assign(new Base(message), { code });
}

function fileURLToPath(value) {
  const url = typeof value === "string" ? new URL(value) : value;
  if (typeof url?.href !== "string") throw failure(TypeError, "ERR_INVALID_ARG_TYPE", 'The "path" argument must be of type string or an instance of URL.');
  if (url.protocol !== "file:") throw failure(TypeError, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
  if (url.hostname !== "") throw failure(TypeError, "ERR_INVALID_FILE_URL_HOST", 'File URL host must be "localhost" or empty on linux');
  if (/%2f/i.test(url.pathname)) throw failure(TypeError, "ERR_INVALID_FILE_URL_PATH", "File URL path must not include encoded / characters");
  return decodeURIComponent(url.pathname);
}

function pathToFileURL(path) {
  const parts = [];
  for (const part of String(path).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  const text = "/" + parts.join("/") + (path.endsWith("/") && parts.length > 0 ? "/" : "");
  const url = new URL("file:///");
  url.pathname = text.replace(/[%\\\n\r\t?#]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"));
  return url;
}

function domainToASCII(domain) {
  try {
    return new URL(`ws://${domain}`).hostname;
  } catch {
    return "";
  }
}

function urlToHttpOptions(url) {
  const options = {
    __proto__: null, ...url, protocol: url.protocol, hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"), hash: url.hash, search: url.search, pathname: url.pathname,
    path: url.pathname + url.search, href: url.href,
  };
  if (url.port !== "") options.port = Number(url.port);
  if (url.username || url.password) options.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return options;
}

function format(url, options) {
  if (!(url instanceof URL)) return legacyFormat(url);
  const u = new URL(url.href);
  if (options?.auth === false) u.username = u.password = "";
  if (options?.fragment === false) u.hash = "";
  if (options?.search === false) u.search = "";
  return u.href;
}

export { URL, URLSearchParams, Url, domainToASCII, fileURLToPath, format, parse, pathToFileURL, resolve, resolveObject, urlToHttpOptions };
export default { URL, URLSearchParams, Url, domainToASCII, fileURLToPath, format, parse, pathToFileURL, resolve, resolveObject, urlToHttpOptions };
