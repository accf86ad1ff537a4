-- As Debian's prosody 0.12 comes. Changed: mam, net_multiplex and the upload component are on, direct TLS listens on 443 (XEP-0368),
-- and what is written is written into the folder of the run.
admins = { }
modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls";
	"blocklist"; "bookmarks"; "carbons"; "dialback"; "limits"; "pep"; "private"; "smacks"; "vcard4"; "vcard_legacy";
	"csi_simple"; "invites"; "invites_adhoc"; "invites_register"; "ping"; "register"; "time"; "uptime"; "version";
	"mam"; "net_multiplex";
	"admin_adhoc"; "posix";
}
s2s_secure_auth = true
limits = {
	c2s = { rate = "10kb/s"; };
	s2sin = { rate = "30kb/s"; };
}
authentication = "internal_hashed"
archive_expires_after = "1w"

ports = { }
ssl_ports = { 443 }
c2s_ports = { 5222 }
c2s_direct_tls_ports = { }
http_ports = { }
https_ports = { }
s2s_ports = { }
http_external_url = "https://upload.chat.puffin.example/"

run_as_root = true
data_path = "@folder@/data"
pidfile = "@folder@/prosody.pid"
log = { info = "@folder@/prosody.log"; }
ssl = { certificate = "@chain@"; key = "@key@"; }

VirtualHost "chat.puffin.example"
Component "upload.chat.puffin.example" "http_file_share"
