// Cluster status, polled every two seconds.

import {$, access, count, duration, fetchBody, get, make, names, paths, rate, set, share, storeKey} from "./common.js"
import {offerModels, startPlayground} from "./playground.js"

const EVERY_MS = 2000, HISTORY_MS = 300_000, MODELS_EVERY = 5

// tables

const PILLS = {active: "good", loaded: "good", draining: "warn", loading: "warn", failed: "bad", lost: "bad"}
const pill = (node, text, kind = PILLS[text] ?? "") => { set(node, text); node.className = `pill ${kind}` }

/** Update the rows of a table by their key. Remaining rows are reused, so that selection and focus survive. */
function rows(table, entries, key, columns, fill) {
  const body = table.tBodies[0], had = new Map([...body.rows].map(row => [row.dataset.key, row]))
  table.tHead.hidden = !entries.length
  $(`${table.id}-none`).hidden = entries.length > 0
  entries.forEach((entry, at) => {
    let row = had.get(entry[key])
    had.delete(entry[key])
    if (!row) {
      row = make("tr", {role: "row", "data-key": entry[key]})
      row.append(make("th", {scope: "row", role: "rowheader", class: "name"}))
      for (const title of columns) row.append(make("td", {role: "cell", "data-of": title}))
    }
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null)
    fill(entry, [...row.cells])
  })
  for (const row of had.values()) row.remove()
}

/** Show a text with smaller lines below it. */
function lines(cell, first, ...more) {
  if (!cell.firstElementChild) cell.append(make("span"))
  set(cell.firstElementChild, first)
  more = more.filter(line => line)
  while (cell.childElementCount > more.length + 1) cell.lastElementChild.remove()
  while (cell.childElementCount < more.length + 1) cell.append(make("small"))
  more.forEach((line, at) => {
    const {text, failure} = typeof line === "string" ? {text: line} : line
    set(cell.children[at + 1], text)
    cell.children[at + 1].classList.toggle("failure", Boolean(failure))
  })
}

function meter(cell, label, part, text) {
  if (!cell.firstElementChild) cell.append(make("span"), make("i", {role: "meter", "aria-valuemin": "0", "aria-valuemax": "100"}))
  const bar = cell.lastElementChild, percent = String(Math.round(100 * Math.min(1, part || 0)))
  cell.className = part >= 0.95 ? "meter full" : "meter"
  set(cell.firstElementChild, text)
  bar.setAttribute("aria-label", label)
  bar.setAttribute("aria-valuenow", percent)
  bar.setAttribute("aria-valuetext", text)
  bar.style.setProperty("--part", `${percent}%`)
}

function showWorkers({cluster, workers}) {
  set($("workers-count"), `${cluster.active_workers} of ${cluster.total_workers} active`)
  const columns = ["State", "Serves", "Load", "KV cache", "Served", "Last seen"]
  rows($("workers"), workers, "worker_id", columns, (worker, [name, state, serves, load, cache, served, seen]) => {
    lines(name, worker.worker_id, worker.address)
    if (!state.firstElementChild) state.append(make("span"))
    pill(state.firstElementChild, worker.status)
    const next = worker.next_model
    const nextLine = next && (next.state === "failed"
      ? {text: `could not load ${next.model || "its initial model"}: ${next.reason}`, failure: true}
      : `${next.state} ${next.model || "its initial model"} …`)
    lines(serves, worker.model, worker.engine, nextLine)
    const most = worker.max_concurrent_requests, now = worker.requests_in_flight
    meter(load, `Load of ${worker.worker_id}`, now / most, `${now} of ${most}`)
    meter(cache, `KV cache of ${worker.worker_id}`, worker.kv_cache_utilization, share(worker.kv_cache_utilization ?? 0))
    set(served, count(worker.served_requests))
    set(seen, worker.last_seen_s < 1.5 ? "now" : `${duration(worker.last_seen_s)} ago`)
  })
}

function showModels(models) {
  const columns = ["State", "Workers", "Weights", "Quality"]
  rows($("models"), models, "id", columns, (model, [name, state, workers, weights, quality]) => {
    lines(name, model.id)
    if (!state.firstElementChild) state.append(make("span"))
    pill(state.firstElementChild, model.status ?? "loaded")
    set(workers, String(model.worker_count ?? "–"))
    set(weights, model.quantization ?? "as published")
    set(quality, typeof model.quality === "number" ? model.quality.toFixed(3) : "not measured")
  })
}

// metrics: Prometheus text, and the last minutes of its counters

/** Parse samples; the functions sum over labels that are not given. */
function readMetrics(text) {
  const number = text => Number(text.replace("Inf", "Infinity"))
  const samples = []
  for (const row of text.split("\n")) {
    const found = /^([\w:]+)(?:\{(.*)\})? (\S+)/.exec(row)
    if (!found) continue
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(one => one.slice(1)))
    samples.push({name: found[1], labels, value: number(found[3])})
  }
  const of = (name, where = {}) =>
    samples.filter(one => one.name === name && Object.entries(where).every(([label, value]) => one.labels[label] === value))
  const sum = (name, where) => of(name, where).reduce((all, one) => (all ?? 0) + one.value, undefined)
  const values = (name, label) => [...new Set(of(name).map(one => one.labels[label]))]
  const buckets = name => values(`${name}_bucket`, "le").map(le => [number(le), sum(`${name}_bucket`, {le})])
  return {sum, values, buckets}
}

/** Estimate a quantile of a histogram as Prometheus does; undefined: the histogram is empty. */
function quantile(part, buckets) {
  const sorted = [...buckets].sort((a, b) => a[0] - b[0])
  const rank = part * (sorted.at(-1)?.[1] ?? 0)
  if (!(rank > 0)) return undefined
  const at = sorted.findIndex(([, n]) => n >= rank), [from, before] = sorted[at - 1] ?? [0, 0], [to, n] = sorted[at]
  return to === Infinity ? from : from + (to - from) * (rank - before) / (n - before)
}

let history = []

function showMetrics(text) {
  const read = readMetrics(text)
  for (const what of ["running", "waiting"]) set($(what), count(read.sum(names[`requests_${what}`]) ?? 0))
  const now = {
    at: performance.now(),
    requests: read.sum(`${names.request_duration}_count`) ?? 0,
    tokens: read.sum(`${names.tokens}_sum`, {gen_ai_token_type: "output"}),
    first: read.buckets(names.time_to_first_token),
    whole: read.buckets(names.request_duration),
  }
  if (history.length && now.requests < history.at(-1).requests) history = []  // the coordinator has restarted
  history = [...history.filter(one => now.at - one.at <= HISTORY_MS), now]
  line("requests", "Requests per second")
  $("tokens").hidden = now.tokens === undefined
  if (now.tokens !== undefined) line("tokens", "Tokens per second")
  latencies("first")
  latencies("whole")
  const looks = "novacron_cache_lookups_total"
  const levels = read.values(looks, "level").map(level => {
    const hits = read.sum(looks, {level, result: "hit"}) ?? 0, all = read.sum(looks, {level})
    return make("div", {}, make("b", {}, share(hits / all)), ` in ${level}`)
  })
  $("cache").replaceChildren(...(levels.length ? levels : [make("small", {}, "no lookups")]))
}

function line(what, title) {
  const rates = history.slice(1).map((one, at) => {
    const before = history[at]
    return [one.at, Math.max(0, (one[what] - (before[what] ?? one[what])) / (one.at - before.at) * 1000)]
  })
  const last = rates.slice(-5)  // ten seconds
  set($(`${what}-rate`), last.length ? rate(last.reduce((sum, [, value]) => sum + value, 0) / last.length) : "–")
  const most = Math.max(...rates.map(([, value]) => value), 1), from = history[0].at, span = Math.max(history.at(-1).at - from, 60_000)
  const x = at => 120 - (history.at(-1).at - at) / span * 120
  const points = rates.map(([at, value]) => `${x(at).toFixed(1)},${(27 - value / most * 25).toFixed(1)}`)
  const picture = $(`${what}-line`)
  picture.setAttribute("aria-label", `${title} over the last ${duration(span / 1000)}, up to ${rate(most)}`)
  if (!picture.firstChild) for (const shape of ["polygon", "polyline"]) picture.append(document.createElementNS("http://www.w3.org/2000/svg", shape))
  const ground = points.length ? [`${points[0].split(",")[0]},28`, ...points, "120,28"] : []
  picture.children[0].setAttribute("points", ground.join(" "))
  picture.children[1].setAttribute("points", points.join(" "))
}

/** Show quantiles of the last minutes, or of all requests if there were none. */
function latencies(what) {
  const now = history.at(-1)[what], before = new Map(history[0][what])
  let buckets = now.map(([le, n]) => [le, n - (before.get(le) ?? 0)])
  const recent = buckets.some(([, n]) => n > 0)
  if (!recent) buckets = now
  for (const part of [50, 95]) set($(`${what}-${part}`), duration(quantile(part / 100, buckets)))
  set($(`${what}-of`), recent ? "last 5 min" : now.some(([, n]) => n > 0) ? "since the coordinator started" : "")
}

// the API key

let needsKey = false, tryingKey = false

function showKey(shown) {
  $("key-panel").hidden = !shown
  $("key-open").setAttribute("aria-expanded", String(shown))
  if (shown) $("key").focus()
}

function needKey(message) {
  if (!needsKey) {
    needsKey = true
    for (const what of ["workers", "models"]) {
      rows($(what), [])
      set($(`${what}-none`), "Enter an API key to see this.")
    }
    set($("workers-count"), "")
    offerModels([])
    showKey(true)
  }
  set($("key-message"), access.key ? message : "This coordinator needs an API key.")
}

$("key-open").onclick = () => showKey($("key-panel").hidden)
$("key-panel").onsubmit = event => {
  event.preventDefault()
  const given = $("key").value.trim()
  if (/[^\x21-\x7e]/.test(given)) return set($("key-message"), "An API key contains only ASCII letters, digits and punctuation.")
  useKey(given)
}
$("key-forget").onclick = () => { $("key").value = ""; useKey("") }

function useKey(given) {
  storeKey(given)
  needsKey = false
  tryingKey = true
  round = 0
  set($("key-message"), "")
  poll()
}

// polling

let lastSeen, timer, polling = false, again = false, round = 0, listed = ""

async function poll() {
  clearTimeout(timer)
  if (polling) again = true
  if (polling || document.hidden) return
  polling = true
  again = false
  try {
    const [ready, metrics] = await Promise.all([get(paths.ready), fetchBody(paths.metrics, "text")])
    showState(await ready.json())  // the body of a 503 has the reason
    showMetrics(metrics)
    lastSeen = performance.now()
    if (!needsKey) await pollWithKey()
  } catch { showNoResponse() }
  polling = false
  timer = setTimeout(poll, again ? 0 : EVERY_MS)
}

/** Poll the paths that need an API key if clients need one. */
async function pollWithKey() {
  const used = access.key
  try {
    const [status, served] = await Promise.all([fetchBody(paths.cluster_status), fetchBody(paths.models)])
    set($("workers-none"), "No workers have registered.")
    set($("models-none"), "No models are served or registered.")
    showWorkers(status)
    offerModels(served.data.map(model => model.id))
    if (tryingKey && access.key === used) showKey(tryingKey = false)
    const now = JSON.stringify(served)
    if (round++ % MODELS_EVERY && listed === now) return
    listed = now
    // Without its database, the coordinator only lists the models that are served.
    showModels(await fetchBody(`${paths.llm_prefix}/models`).then(body => body.data, () => served.data))
  } catch (error) {
    if (error.status !== 401) throw error
    if (access.key === used) needKey(error.message)
  }
}

function showTitle(text, kind) {
  pill($("state"), text, kind)
  document.title = `${text} · NovaCron`
}

function showState({ready, draining, degraded, active_workers: active, minimum_workers: minimum}) {
  const missing = Object.entries(degraded ?? {})
  const [text, kind] = draining ? ["Draining", "warn"] : !ready ? ["Not ready", "bad"] : missing.length ? ["Degraded", "warn"] : ["Ready", "good"]
  showTitle(text, kind)
  document.body.classList.remove("stale")
  const notes = missing.map(([what, why]) => what === "workers" ? `Workers: ${why}.` : `${what} unavailable, continuing with cached data: ${why}`)
  if (draining) notes.unshift("The coordinator is shutting down. Requests in flight are completed.")
  else if (!ready) notes.unshift(`${active} of at least ${minimum} workers are active.`)
  showNotes(notes, ready ? "warn" : kind)
}

function showNoResponse() {
  const ago = lastSeen === undefined ? "" : ` Last seen ${Math.round((performance.now() - lastSeen) / 1000)} s ago.`
  showTitle("No response", "bad")
  document.body.classList.add("stale")
  showNotes([`The coordinator does not respond.${ago} Retrying every 2 s.`], "bad")
}

function showNotes(notes, kind) {
  $("notes").hidden = !notes.length
  $("notes").className = `note ${kind}`
  if (JSON.stringify(notes) !== JSON.stringify([...$("notes").children].map(note => note.textContent))) {
    $("notes").replaceChildren(...notes.map(note => make("li", {}, note)))
  }
}

startPlayground(needKey)
document.addEventListener("visibilitychange", () => poll())
poll()
