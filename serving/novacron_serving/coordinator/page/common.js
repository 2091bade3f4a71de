// What the page and its playground share: elements, numbers for people, the API and its key.

export const {paths, metrics: names} = JSON.parse(document.documentElement.dataset.contract)
const TIMEOUT_MS = 4000
const KEY = "novacron-key"
const url = path => new URL(`.${path}`, document.baseURI)  // also where a proxy serves the page in a folder

// elements; text is put in as text, never as HTML

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

/** Kept in this tab alone. */
export const access = {key: sessionStorage.getItem(KEY) ?? ""}
const headers = () => access.key ? {authorization: `Bearer ${access.key}`} : {}

export function keep(key) {
  access.key = key
  if (key) sessionStorage.setItem(KEY, key)
  else sessionStorage.removeItem(KEY)
}

export class ApiError extends Error {
  constructor(status, message) { super(message); this.status = status }
}

/** An error in OpenAI's shape, or what else came. */
async function errorOf(response) {
  const text = await response.text()
  let told
  try { told = JSON.parse(text).error } catch { /* a proxy's page, perhaps */ }
  return new ApiError(response.status, told?.message ?? `${response.status} ${text.slice(0, 200) || response.statusText}`)
}

export const get = path => fetch(url(path), {headers: headers(), cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS)})

export async function ask(path, kind = "json") {
  const response = await get(path)
  if (!response.ok) throw await errorOf(response)
  return response[kind]()
}

/** The answer to a POST, whose body streams. */
export async function post(path, body, signal) {
  const response = await fetch(url(path), {
    method: "POST", signal, headers: {"content-type": "application/json", ...headers()}, body: JSON.stringify(body),
  })
  if (!response.ok) throw await errorOf(response)
  return response
}
