// How the cluster is, asked every two seconds.

import {$, access, ask, count, duration, get, keep, make, names, paths, rate, set, share} from "./common.js"
import {offer, startPlayground} from "./playground.js"

const EVERY_MS = 2000, HISTORY_MS = 300_000, MODELS_EVERY = 5

// what is shown

const PILLS = {active: "good", loaded: "good", draining: "warn", loading: "warn", failed: "bad", lost: "bad"}
const pill = (node, text, kind = PILLS[text] ?? "") => { set(node, text); node.className = `pill ${kind}` }

/** Rows by their key: those that stay are kept as they are, so that a selection and the focus stay too. */
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

/** A text with smaller lines beneath it. */
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
    const coming = next && (next.state === "failed"
      ? {text: `could not load ${next.model || "its own model"}: ${next.reason}`, failure: true}
      : `${next.state} ${next.model || "its own model"} …`)
    lines(serves, worker.model, worker.engine, coming)
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

// metrics: the text of Prometheus, and the last minutes of what counts up

/** Samples by name and labels; labels that are not named are summed over. */
function readMetrics(text) {
  const number = said => Number(said.replace("Inf", "Infinity"))
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

/** A quantile of a histogram's buckets, as Prometheus estimates it; undefined: nothing was measured. */
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
  if (history.length && now.requests < history.at(-1).requests) history = []  // it was started again
  history = [...history.filter(one => now.at - one.at <= HISTORY_MS), now]
  line("requests", "Requests a second")
  $("tokens").hidden = now.tokens === undefined
  if (now.tokens !== undefined) line("tokens", "Tokens a second")
  latencies("first")
  latencies("whole")
  const looks = "novacron_cache_lookups_total"
  const levels = read.values(looks, "level").map(level => {
    const hits = read.sum(looks, {level, result: "hit"}) ?? 0, all = read.sum(looks, {level})
    return make("div", {}, make("b", {}, share(hits / all)), ` in ${level}`)
  })
  $("cache").replaceChildren(...(levels.length ? levels : [make("small", {}, "nothing was looked for")]))
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

/** Of the requests of the last minutes; of all, when there were none. */
function latencies(what) {
  const now = history.at(-1)[what], before = new Map(history[0][what])
  let buckets = now.map(([le, n]) => [le, n - (before.get(le) ?? 0)])
  const recent = buckets.some(([, n]) => n > 0)
  if (!recent) buckets = now
  for (const part of [50, 95]) set($(`${what}-${part}`), duration(quantile(part / 100, buckets)))
  set($(`${what}-of`), recent ? "while you look, last 5 min" : now.some(([, n]) => n > 0) ? "since it started" : "")
}

// the key

let refused = false, trying = false

function showKey(shown) {
  $("key-panel").hidden = !shown
  $("key-open").setAttribute("aria-expanded", String(shown))
  if (shown) $("key").focus()
}

function needKey(message) {
  if (!refused) {
    refused = true
    for (const what of ["workers", "models"]) {
      rows($(what), [])
      set($(`${what}-none`), "Enter an API key to see them.")
    }
    set($("workers-count"), "")
    offer([])
    showKey(true)
  }
  set($("key-told"), access.key ? message : "This coordinator asks for an API key.")
}

$("key-open").onclick = () => showKey($("key-panel").hidden)
$("key-panel").onsubmit = event => {
  event.preventDefault()
  const given = $("key").value.trim()
  if (/[^\x21-\x7e]/.test(given)) return set($("key-told"), "No key has such characters: letters, digits and signs of ASCII alone.")
  useKey(given)
}
$("key-forget").onclick = () => { $("key").value = ""; useKey("") }

function useKey(given) {
  keep(given)
  refused = false
  trying = true
  round = 0
  set($("key-told"), "")
  poll()
}

// the loop

let seen, timer, asking = false, again = false, round = 0, listed = ""

async function poll() {
  clearTimeout(timer)
  if (asking) again = true
  if (asking || document.hidden) return
  asking = true
  again = false
  try {
    const [ready, metrics] = await Promise.all([get(paths.ready), ask(paths.metrics, "text")])
    showState(await ready.json())  // 503 says why
    showMetrics(metrics)
    seen = performance.now()
    if (!refused) await pollGuarded()
  } catch { showAway() }
  asking = false
  timer = setTimeout(poll, again ? 0 : EVERY_MS)
}

/** What needs a key, where keys are asked for. */
async function pollGuarded() {
  const used = access.key
  try {
    const [status, served] = await Promise.all([ask(paths.cluster_status), ask(paths.models)])
    set($("workers-none"), "No worker is known yet.")
    set($("models-none"), "No model is served or registered.")
    showWorkers(status)
    offer(served.data.map(model => model.id))
    if (trying && access.key === used) showKey(trying = false)
    const now = JSON.stringify(served)
    if (round++ % MODELS_EVERY && listed === now) return
    listed = now
    showModels(await ask(`${paths.llm_prefix}/models`).then(told => told.data, () => served.data))  // its database may be away
  } catch (error) {
    if (error.status !== 401) throw error
    if (access.key === used) needKey(error.message)
  }
}

function tell(text, kind) {
  pill($("state"), text, kind)
  document.title = `${text} · NovaCron`
}

function showState({ready, draining, degraded, active_workers: active, minimum_workers: minimum}) {
  const missing = Object.entries(degraded ?? {})
  const [text, kind] = draining ? ["Draining", "warn"] : !ready ? ["Not ready", "bad"] : missing.length ? ["Degraded", "warn"] : ["Ready", "good"]
  tell(text, kind)
  document.body.classList.remove("stale")
  const notes = missing.map(([what, why]) => `Goes on without its ${what}: ${why}`)
  if (draining) notes.unshift("It was told to stop: requests under way are finished.")
  else if (!ready) notes.unshift(`${active} of at least ${minimum} workers are active.`)
  showNotes(notes, ready ? "warn" : kind)
}

function showAway() {
  const ago = seen === undefined ? "It has not answered yet." : `Last seen ${Math.round((performance.now() - seen) / 1000)} s ago; asked again every 2 s.`
  tell("No answer", "bad")
  document.body.classList.add("stale")
  showNotes([`The coordinator does not answer. ${ago}`], "bad")
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
