// made by sallyport test for target edge: edits are lost at the next run
// policy: policy.hcl, sha256 abababababababab
// feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
// counts: 1 rule, 1 set, 3 IPv4 and 0 IPv6 ranges
// routes: bypass of IPv4: the addresses of cloud go past the VPN, the rest through it
// on every protocol and port: routes cannot tell ports apart
// IPv6 is left as your VPN has it, and clients prefer IPv6 where they have it

// The proxy stands where the lines above say VPN. This is about the web traffic of
// programs that use the file, over IPv4 alone, and never about the media of calls.
// Serve:  as application/x-ns-proxy-autoconfig, by https, and name its address in the
//         browsers' settings or policy.
function sallyport_edge(host) {
  host = String(host).toLowerCase().replace(/\.$/, "");
  var lists = sallyport_edge.lists;
  if (lists.isNamed(host)) return true;
  if (host.indexOf(":") >= 0) return false; // an IPv6 address
  if (lists.number(host) >= 0) return lists.isListed(host);
  var address = dnsResolve(host);
  return lists.isListed(String(address));
}

sallyport_edge.lists = (function () {
  // the routes, in their order
  function routes() { return [
"20.202.0.0/16",
"52.112.0.0/14",
"52.122.0.0/15",
""]; }
  // the names, with a * for all in front of an ending
  function names() { return [
""]; }

  var list = routes(), endings = names(), first = [], last = [];
  for (var i = 0; i < list.length - 1; i++) {
    var at = list[i].split("/");
    first[i] = number(at[0]);
    last[i] = first[i] + Math.pow(2, 32 - at[1]) - 1;
  }

  // an IPv4 address as a number; -1 for anything else
  function number(text) {
    var parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
    var n = 0;
    for (var i = 1; i < 5; i++) {
      if (!parts || parts[i] > 255) return -1;
      n = n * 256 + parseInt(parts[i], 10);
    }
    return n;
  }

  function isListed(text) {
    var address = number(text);
    var lo = 0, hi = first.length; // first[lo - 1] <= address < first[hi]
    while (lo < hi) {
      var mid = (lo + hi) >> 1;
      if (first[mid] <= address) lo = mid + 1; else hi = mid;
    }
    return lo > 0 && address <= last[lo - 1];
  }

  function isNamed(host) {
    for (var i = 0; i < endings.length - 1; i++) {
      var ending = endings[i].charAt(0) == "*" ? endings[i].substring(1) : "";
      if (ending == "" ? host == endings[i] : host.length > ending.length && host.substring(host.length - ending.length) == ending) return true;
    }
    return false;
  }

  return {number: number, isListed: isListed, isNamed: isNamed};
})();

function FindProxyForURL(url, host) {
  return sallyport_edge(host) ? "DIRECT" : "PROXY proxy.example.com:8080";
}
