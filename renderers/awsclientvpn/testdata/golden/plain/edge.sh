#!/bin/sh
# made by sallyport test for target edge: edits are lost at the next run
# policy: policy.hcl, sha256 abababababababab
# feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
# counts: 1 rule, 1 set, 3 IPv4 and 1 IPv6 ranges
# routes: include of IPv4 and IPv6: the addresses of cloud go through the VPN, the rest past it
# on every protocol and port: routes cannot tell ports apart

# For a Client VPN endpoint with a split tunnel: the addresses below enter it, besides
# those of the VPC. Routes and authorization rules of this script's are those with the
# description sallyport-edge; it makes what is missing, and takes away what is not listed.
# Load:   sh edge.sh        with the AWS CLI, and AWS_REGION and AWS_PROFILE as you need
#         them. Clients take the routes when they next connect.
# Remove: sh edge.sh remove
set -eu
endpoint='cvpn-endpoint-0123456789abcdef0'
subnets='subnet-0aaaaaaaaaaaaaaaa'
group='all' # that may use the routes; all; or none, where rules of yours say it
mine='sallyport-edge'
most=100 # routes of a subnet
routes='
20.202.0.0/16
52.112.0.0/14
52.122.0.0/15
2603:1063::/38
'

export LC_ALL=C AWS_PAGER='' AWS_RETRY_MODE="${AWS_RETRY_MODE:-standard}" AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-10}"
pause=${SALLYPORT_PAUSE:-5} tries=${SALLYPORT_TRIES:-120} # seconds between tries, and how many: 10 minutes
tab=$(printf '\t')
work=$(mktemp -d)
made=0 planned=0 at=''
# shellcheck disable=SC2317 # it is called at the end
finish() {
	status=$?
	if [ "$status" != 0 ] && [ -n "$at" ]; then
		echo "$made of $planned changes are made, and it stopped at: $at" >&2
		echo "what is listed and was there stays in force; run this again, and it goes on from here" >&2
	fi
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# once COMMAND...: asks EC2, and leaves the answer and the error in files
once() {
	aws ec2 "$@" --client-vpn-endpoint-id "$endpoint" --output text </dev/null >"$work/answer" 2>"$work/error"
}

# again: waits after EC2 refused, where it may not the next time
again() {
	try=$((try + 1))
	[ "$try" -le "$tries" ] || return 1
	[ "$try" != 10 ] || echo "waiting for EC2: $(tr '\n' ' ' <"$work/error")" >&2
	sleep "$pause"
}

# busy: EC2 makes about ten changes of an endpoint at a time, each in a minute or two, and
# answers only so many calls
busy() {
	grep -q -e '(ConcurrentMutationLimitExceeded)' -e '(RequestLimitExceeded)' -e '(Throttling' "$work/error"
}

# ask COMMAND...: prints the answer, as soon as there is one
ask() {
	try=0
	until once "$@"; do
		if ! busy || ! again; then
			cat "$work/error" >&2
			return 1
		fi
	done
	cat "$work/answer"
}

# change NAME LINE COMMAND...: makes a change of a line of NAME, which may be made already:
# by another run, or in vain where the old one is still being deleted
change() {
	name=$1 line=$2
	shift 2
	at="$*" try=0
	until once "$@"; do
		if busy; then
			:
		elif grep -q '(InvalidClientVpnDuplicate' "$work/error"; then
			cp "$work/error" "$work/first"
			tried=$try
			look "$name" || return 1
			try=$tried
			cp "$work/first" "$work/error"
			! cut -f 1,2 "$work/$name.all" | grep -qxF "$line" || break
		elif grep -q -e '(InvalidClientVpnRouteNotFound)' -e '(InvalidClientVpnEndpointAuthorizationRuleNotFound)' "$work/error"; then
			break
		elif [ -z "$full" ] || ! grep -q '(ClientVpnRouteLimitExceeded)' "$work/error"; then
			cat "$work/error" >&2
			return 1
		fi
		again || {
			cat "$work/error" >&2
			return 1
		}
	done
	made=$((made + 1)) at=''
}

# look NAME: all that is in place and stays
look() {
	if [ "$1" = routes ]; then
		ask describe-client-vpn-routes \
			--query "Routes[?Status.Code!='deleting'].[DestinationCidr,TargetSubnet,Description=='$mine',Status.Code]"
	else
		ask describe-client-vpn-authorization-rules \
			--query "AuthorizationRules[?Status.Code!='revoking'].[DestinationCidr,AccessAll && 'all' || GroupId,Description=='$mine',Status.Code]"
	fi >"$work/$1.all"
}

# wanted FILE WORD...: each route with each word, a line each
wanted() {
	file=$1
	shift
	for word; do
		printf '%s' "$routes" | sed -n "/./s|\$|$tab$word|p"
	done | sort >"$file"
}

# compare NAME: from all in place and all wanted, what is new and what of ours is gone.
# What failed is made anew, once.
compare() {
	awk -F '\t' '$3 == "True" && $4 == "failed" { print $1 "\t" $2 }' "$work/$1.all" | sort | comm -23 - "$work/$1.anew" >"$work/$1.failed"
	awk -F '\t' '$3 == "True" { print $1 "\t" $2 }' "$work/$1.all" | sort >"$work/$1.mine"
	cut -f 1,2 "$work/$1.all" | sort | comm -23 - "$work/$1.failed" >"$work/$1.have"
	comm -13 "$work/$1.have" "$work/$1.wanted" >"$work/$1.new"
	comm -23 "$work/$1.mine" "$work/$1.wanted" | sort -u - "$work/$1.failed" >"$work/$1.gone"
	left=$((left + $(lines "$work/$1.new") + $(lines "$work/$1.gone")))
	for kind in new gone; do # what this run has changed may take a while to show
		comm -23 "$work/$1.$kind" "$work/$1.$kind.done" >"$work/todo"
		mv "$work/todo" "$work/$1.$kind"
		todo=$((todo + $(lines "$work/$1.$kind")))
	done
}

lines() { wc -l <"$1" | tr -d ' '; }

# forget: that this run has changed something
forget() {
	for name in routes rules; do
		: >"$work/$name.new.done"
		: >"$work/$name.gone.done"
	done
}

# remember: what this round has changed
remember() {
	for list in routes.new routes.gone rules.new rules.gone; do
		sort -u "$work/$list" "$work/$list.done" >"$work/todo"
		mv "$work/todo" "$work/$list.done"
	done
	for name in routes rules; do
		sort -u "$work/$name.failed" "$work/$name.anew" >"$work/todo"
		mv "$work/todo" "$work/$name.anew"
	done
}

make_routes() {
	while IFS=$tab read -r cidr subnet; do
		change routes "$cidr$tab$subnet" create-client-vpn-route --destination-cidr-block "$cidr" --target-vpc-subnet-id "$subnet" --description "$mine"
	done <"$work/routes.new"
}

withdraw_routes() {
	while IFS=$tab read -r cidr subnet; do
		change routes "$cidr$tab$subnet" delete-client-vpn-route --destination-cidr-block "$cidr" --target-vpc-subnet-id "$subnet"
	done <"$work/routes.gone"
}

# rules COMMAND WORD FILE OPTION...: a change for each line, of all groups or of one
rules() {
	command=$1 word=$2 file=$3
	shift 3
	while IFS=$tab read -r cidr who; do
		if [ "$who" = all ]; then
			change rules "$cidr$tab$who" "$command" --target-network-cidr "$cidr" "--$word-all-groups" "$@"
		else
			change rules "$cidr$tab$who" "$command" --target-network-cidr "$cidr" --access-group-id "$who" "$@"
		fi
	done <"$file"
}

case ${1-} in
'')
	split=$(aws ec2 describe-client-vpn-endpoints --client-vpn-endpoint-ids "$endpoint" --query 'ClientVpnEndpoints[0].SplitTunnel' --output text </dev/null)
	if [ "$split" != True ]; then
		echo "$endpoint takes everything, whatever its routes: aws ec2 modify-client-vpn-endpoint --client-vpn-endpoint-id $endpoint --split-tunnel" >&2
		exit 1
	fi
	;;
remove)
	routes=''
	;;
*)
	echo "usage: $0 [remove]" >&2
	exit 2
	;;
esac

# shellcheck disable=SC2086 # a subnet is a word
wanted "$work/routes.wanted" $subnets
if [ "$group" = none ]; then
	: >"$work/rules.wanted"
else
	wanted "$work/rules.wanted" "$group"
fi

# Another run, or another person, may change the endpoint meanwhile: it looks again until
# nothing is left to do.
routes_new=0 routes_gone=0 rules_new=0 rules_gone=0 rounds=0 looks=0
forget
: >"$work/routes.anew"
: >"$work/rules.anew"
while :; do
	at='another look' left=0 todo=0
	look routes
	look rules
	compare routes
	compare rules
	at=''
	[ "$left" -gt 0 ] || break
	if [ "$todo" = 0 ]; then # all of it was changed a moment ago, or has been changed back
		looks=$((looks + 1))
		if [ "$looks" -le 6 ]; then
			sleep "$pause"
		else
			forget
		fi
		continue
	fi
	planned=$((made + todo)) rounds=$((rounds + 1)) looks=0
	if [ "$rounds" -gt 8 ]; then
		echo "something else changes the same routes and rules all the time, such as another script with the name $mine" >&2
		exit 1
	fi
	routes_new=$((routes_new + $(lines "$work/routes.new"))) routes_gone=$((routes_gone + $(lines "$work/routes.gone")))
	rules_new=$((rules_new + $(lines "$work/rules.new"))) rules_gone=$((rules_gone + $(lines "$work/rules.gone")))

	rules authorize-client-vpn-ingress authorize "$work/rules.new" --description "$mine"
	# What replaces a route comes first, where there is room for both.
	# shellcheck disable=SC2086
	set -- $subnets
	full=''
	if [ $(($(lines "$work/routes.have") + $(lines "$work/routes.new"))) -gt $((most * $#)) ]; then
		full=yes
		withdraw_routes
		make_routes
	else
		make_routes
		withdraw_routes
	fi
	rules revoke-client-vpn-ingress revoke "$work/rules.gone"
	remember
done

# A route is made in a minute or two, and may fail.
try=0
while :; do
	at='waiting for the routes'
	ask describe-client-vpn-routes --query "Routes[?Description=='$mine'].[DestinationCidr,TargetSubnet,Status.Code,Status.Message]" >"$work/ours"
	at=''
	grep -q "$tab\(creating\|deleting\)$tab" "$work/ours" || break
	again || {
		echo "EC2 is still at some routes; look later: aws ec2 describe-client-vpn-routes --client-vpn-endpoint-id $endpoint" >&2
		break
	}
done
if grep "${tab}failed$tab" "$work/ours" >"$work/failed"; then
	printf 'these routes failed: mend what EC2 says of them, and run this again\n%s\n' "$(cat "$work/failed")" >&2
	exit 1
fi
echo "routes: $routes_new new, $routes_gone withdrawn; rules: $rules_new new, $rules_gone withdrawn"
