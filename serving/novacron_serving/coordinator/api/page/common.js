// Shared by the page and its playground: elements, number formats, the API and its key.

export const {paths, metrics: names} = JSON.parse(document.documentElement.dataset.contract)
const TIMEOUT_MS = 4000
const KEY = "novacron-key"
const url = path => new URL(`.${path}`, document.baseURI)  // works behind a proxy that serves the page under a path

// elements; text is inserted as text, never as HTML

export const $ = id => document.getElementById(id)

export const set = (node, text) => { if (node.textContent !== text) node.textContent = text }

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

export const count = value => Number(value).toLocaleString("en")
export const rate = value => value >= 100 ? count(Math.round(value)) : value.toFixed(value >= 10 || value === 0 ? 0 : 1)
export const share = value => `${Math.round(100 * value)}%`
export function duration(seconds) {
  if (seconds === undefined) return "–"
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s` : `${(seconds / 3600).toFixed(1)} h`
}

// the API

/** The API key, stored for this tab only. */
export const access = {key: sessionStorage.getItem(KEY) ?? ""}
const headers = () => access.key ? {authorization: `Bearer ${access.key}`} : {}

export function storeKey(key) {
  access.key = key
  if (key) sessionStorage.setItem(KEY, key)
  else sessionStorage.removeItem(KEY)
}

export class ApiError extends Error {
  constructor(status, message) { super(message); this.status = status }
}

/** Return an error response as an error, whether it is in OpenAI's form or not. */
async function errorOf(response) {
  const text = await response.text()
  let error
  try { error = JSON.parse(text).error } catch { /* perhaps a proxy's page */ }
  return new ApiError(response.status, error?.message ?? `${response.status} ${text.slice(0, 200) || response.statusText}`)
}

export const get = path => fetch(url(path), {headers: headers(), cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS)})

export async function fetchBody(path, kind = "json") {
  const response = await get(path)
  if (!response.ok) throw await errorOf(response)
  return response[kind]()
}

/** Return the response to a POST, whose body may be a stream. */
export async function post(path, body, signal) {
  const response = await fetch(url(path), {
    method: "POST", signal, headers: {"content-type": "application/json", ...headers()}, body: JSON.stringify(body),
  })
  if (!response.ok) throw await errorOf(response)
  return response
}
